"""How much memory a process has held, and how often garbage is looked for in it."""

import gc
import resource
import sys
from contextlib import suppress


def peak_memory_mb() -> float:
    """The most memory that this process has held at once, in MB (10^6 bytes)."""
    with suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    # A child may count what its parent held when it was started, so this is second best.
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def collect_rarely() -> None:
    """Lets Python look for cycles of objects less often in this process: a run makes none.

    It took a tenth of the time for parsing, encoding and rendering.
    """
    gc.set_threshold(50_000)
