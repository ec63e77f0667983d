"""The process of one system: answers the benchmark's requests, a line of JSON each.

    python -m nerx.benchmarks.child

The first request opens a driver; `load`, `pass` and `spans` follow until standard input ends. What
a library prints goes to standard error, so that nothing but answers is on standard output.
"""

import importlib
import json
import os
import sys
import time
from typing import Any

from ..engine.run.memory import peak_memory_mb
from .driver import Driver, Task


class _Session:
    def __init__(self) -> None:
        self._driver: Driver | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is done for a request, by its `do`."""
        driver = self._driver
        if request["do"] == "open":
            start = time.perf_counter()
            module = importlib.import_module(request["module"])
            self._driver = module.open_driver(Task(**request["task"]))
            return {"load_s": time.perf_counter() - start, "facts": self._driver.facts}
        assert driver, "the first request opens a driver"
        if request["do"] == "load":
            driver.prepare(request["documents"], request["copies"])
            return {}
        if request["do"] == "pass":
            start, cpu_start = time.perf_counter(), _cpu_seconds()
            driver.run(request["batch_size"])
            seconds, cpu_s = time.perf_counter() - start, _cpu_seconds() - cpu_start
            measured = {"seconds": seconds, "cpu_s": cpu_s, "peak_memory_mb": peak_memory_mb()}
            return measured | driver.report()
        return {"spans": driver.spans(request["documents"])}


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Serves requests; a failure is an answer too."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = _Session()
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        except Exception as error:  # whatever a peer raises is said, not shown as a traceback
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
