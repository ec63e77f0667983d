"""The process of one system: does what the benchmark asks through a pipe, until that closes.

python -m nerx.benchmarks.child DESCRIPTOR
"""

import os
import sys
import time
from multiprocessing.connection import Connection
from pkgutil import resolve_name
from typing import Any

from ..engine.run.memory import peak_memory_mb
from .driver import Driver, SystemFailedError, Task
from .labels import Span


class Session:
    """What can be asked for; `open` comes first."""

    _driver: Driver

    def open(self, opens: str, task: Task) -> tuple[float, dict[str, Any]]:
        start = time.perf_counter()
        self._driver = resolve_name(opens)(task)
        return time.perf_counter() - start, self._driver.facts

    def load(self, documents: list[list[str]], copies: int) -> None:
        self._driver.prepare(documents, copies)

    def run(self, batch_size: int) -> dict[str, Any]:
        start, cpu_start = time.perf_counter(), _cpu_seconds()
        self._driver.run(batch_size)
        seconds, cpu_s = time.perf_counter() - start, _cpu_seconds() - cpu_start
        measured = {"seconds": seconds, "cpu_s": cpu_s, "peak_memory_mb": peak_memory_mb()}
        return measured | self._driver.report()

    def spans(self, documents: int) -> list[list[Span]]:
        return self._driver.spans(documents)


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Serves requests; a failure is an answer too."""
    session, pipe = Session(), Connection(int(sys.argv[1]))
    while True:
        try:
            name, values = pipe.recv()
        except EOFError:
            return
        try:
            answer = getattr(session, name)(*values)
        except Exception as error:  # whatever a peer raises is said, not shown as a traceback
            [reason, *_] = str(error).splitlines() or [""]
            answer = SystemFailedError(f"{type(error).__name__}: {reason}")
        pipe.send(answer)


if __name__ == "__main__":
    main()
