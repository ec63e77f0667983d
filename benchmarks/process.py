"""The benchmark's side of a system's process."""

import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from multiprocessing import Pipe
from typing import IO, Any

from .driver import SystemFailedError, Task
from .labels import Span

PATIENCE_S = 900.0  # for one answer


class SystemProcess(AbstractContextManager["SystemProcess"]):
    """A system in a process of its own.

    opens: the function that opens its driver, as `module:name`

    Raises:
        SystemFailedError: it cannot be opened; the message holds its own words.
    """

    def __init__(self, opens: str, task: Task) -> None:
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed on exit
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", "nerx.benchmarks.child", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdout=self._printed, stderr=self._printed
        )
        theirs.close()
        try:
            self.load_s, self.facts = self._ask("open", opens, task)
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printed.close()

    def load(self, documents: list[list[str]], copies: int = 1) -> None:
        """Gives it the documents of the next passes, to be labelled so many times over."""
        self._ask("load", documents, copies)

    def run(self, batch_size: int = 0) -> dict[str, Any]:
        """Labels the documents: `seconds`, `cpu_s`, `peak_memory_mb`, and the driver's report."""
        found: dict[str, Any] = self._ask("run", batch_size)
        return found

    def spans(self, documents: int) -> list[list[Span]]:
        """What it found in the first documents of the last pass."""
        found: list[list[Span]] = self._ask("spans", documents)
        return found

    def _ask(self, name: str, *values: Any) -> Any:
        try:
            self._pipe.send((name, values))
            if not self._pipe.poll(PATIENCE_S):
                raise EOFError
            answer = self._pipe.recv()
        except (OSError, EOFError):
            raise SystemFailedError(self._last_words()) from None
        if isinstance(answer, SystemFailedError):
            raise answer
        return answer

    def _last_words(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().decode("utf-8", "replace").strip().splitlines()
        code = self._process.poll()
        state = "gave no answer" if code is None else f"ended with code {code}"
        return f"its process {state}" + (f": {lines[-1]}" if lines else "")
