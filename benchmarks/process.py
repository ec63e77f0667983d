"""The benchmark's side of a system's process."""

import json
import select
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import IO, Any

from ..engine.errors import NerxError
from .driver import Task
from .labels import Span

PATIENCE_S = 900.0  # for one answer


class SystemFailedError(NerxError):
    """A system could not be opened, or failed at its work."""


class SystemProcess(AbstractContextManager["SystemProcess"]):
    """A system in a process of its own.

    module: what holds its `open_driver`

    Raises:
        SystemFailedError: it cannot be opened; the message holds its own words.
    """

    def __init__(self, module: str, task: Task) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed on exit
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nerx.benchmarks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        try:
            opened = self._ask(do="open", module=module, task=asdict(task))
        except BaseException:
            self.close()
            raise
        self.load_s: float = opened["load_s"]
        self.facts: dict[str, Any] = opened["facts"]

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def load(self, documents: list[list[str]], copies: int = 1) -> None:
        """Gives it the documents of the next passes, to be labelled so many times over."""
        self._ask(do="load", documents=documents, copies=copies)

    def run(self, batch_size: int = 0) -> dict[str, Any]:
        """Labels the documents once: `seconds`, `peak_memory_mb`, and the driver's own report."""
        return self._ask(do="pass", batch_size=batch_size)

    def spans(self, documents: int) -> list[list[Span]]:
        """What it found in the first documents of the last pass."""
        rows = self._ask(do="spans", documents=documents)["spans"]
        return [[(start, end, kind) for start, end, kind in row] for row in rows]

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
            line = self._process.stdout.readline() if ready else b""
        except OSError:
            line = b""
        if not line:
            raise SystemFailedError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SystemFailedError(answer["error"].splitlines()[0])
        return answer

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        code = self._process.poll()
        state = "gave no answer" if code is None else f"ended with code {code}"
        return f"its process {state}" + (f": {lines[-1]}" if lines else "")
