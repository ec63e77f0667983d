"""Where the time of a run goes: seconds by stage, and what the stages waited for."""

import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock


class Stopwatch:
    """Adds up seconds by name; threads may share one."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time spent within."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        with self._lock:
            self._seconds[name] += seconds

    def seconds(self, *names: str) -> dict[str, float]:
        """The seconds of the names, 0 for what was never measured."""
        return {name: round(self._seconds[name], 3) for name in names}


def peak_memory_mb() -> float:
    """The most memory that this process has held at once, in MB (10^6 bytes)."""
    with suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    # A child may count what its parent held when it was started, so this is second best.
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)
