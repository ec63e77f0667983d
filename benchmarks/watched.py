"""A command of nerx as its user runs it: how long it takes, and what it holds at once."""

import subprocess
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryFile

import psutil

from ..engine.errors import NerxError

_LOOKS_S = 0.05  # from one look at its memory to the next

NERX = (sys.executable, "-c", "from nerx.engine.commands.cli import main; main()")


def run_nerx(words: Sequence[str]) -> tuple[float, float]:
    """Runs `nerx` with these words: seconds, and MB that it and its children held at most at once.

    Memory that processes share is counted once for each.

    Raises:
        NerxError: it failed; the message holds its own words.
    """
    started, peak = time.perf_counter(), 0
    with TemporaryFile("w+") as said, subprocess.Popen([*NERX, *words], stderr=said) as process:
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            time.sleep(_LOOKS_S)
        seconds = time.perf_counter() - started
        if process.returncode:
            said.seek(0)
            raise NerxError(f"nerx {words[0]} failed: {said.read().strip()}")
    return seconds, peak / 1e6


def _held(pid: int) -> int:
    """Bytes of a process and all its children."""
    total = 0
    try:
        own = psutil.Process(pid)
        for process in (own, *own.children(recursive=True)):
            total += int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # one that has just ended
        pass
    return total
