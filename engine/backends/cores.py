"""The processors: their names, and how many cores this process may use."""

import os
import platform
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_CPUINFO = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")  # of the driver, which tells without any library


def usable_cores() -> int:
    """Cores by CPU affinity, and by the quota of a container where there is one; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _quota()))


def _quota() -> int:
    """Whole cores' worth of time that the control group grants; a large number without a limit."""
    try:
        granted, period = _QUOTA.read_text().split()
        return max(1, int(granted) // int(period))
    except (OSError, ValueError):  # no control group, or "max"
        return 1 << 16


def processor_name() -> str:
    """The processor's name where Linux tells it, else the architecture's."""
    lines = _CPUINFO.read_text("utf-8").split("\n") if _CPUINFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def gpu_names() -> list[str]:
    """The NVIDIA GPUs that the driver knows; none where there is no driver."""
    found = []
    for path in sorted(_GPUS.glob("*/information")):
        lines = path.read_text("utf-8").split("\n")
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return found
