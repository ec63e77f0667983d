"""The machine: processors, how many cores of them this process may use, what is installed."""

import math
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")  # of the driver, which tells without any library
_LIMIT = "NERX_THREADS"


def usable_cores() -> int:
    """Cores by CPU affinity, the quota of a container and `limit_cores`; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get(_LIMIT, "")
    bounds = [cores or 1, _quota(), int(limit) if limit.isdigit() else math.inf]
    return max(1, int(min(bounds)))


def limit_cores(count: int) -> None:
    """Bounds the cores of this process and those that it starts, the thread pools of OpenMP
    (torch) and of `tokenizers` included; to be called before they have been made.
    """
    for name in (_LIMIT, "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)


def _quota() -> float:
    """Cores' worth of time that control groups of either version grant; infinite without a limit.

    Those of this process as the host names them, and the root, which is its own in a container.
    """
    limits = [math.inf]
    for group in _read(_OWN_GROUPS).splitlines():
        _, kinds, place = group.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        own = PurePath(place.lstrip("/"))
        for folder in (own, *own.parents):
            at = _CONTROL_GROUPS / ("cpu" if kinds else "") / folder
            if kinds:
                found = [_read(at / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
            else:
                found = _read(at / "cpu.max").split()
            if len(found) == 2 and all(map(str.isdigit, found)):  # "max" or -1 is no limit
                limits.append(int(found[0]) / int(found[1]))
    return min(limits)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


def machine() -> dict[str, Any]:
    """The processor and the GPUs, for people who compare figures."""
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "cores_of_machine": os.cpu_count(),
        "gpus": gpu_names(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def processor_name() -> str:
    """The processor's name where Linux tells it, else the architecture's."""
    return next(_values(_CPUINFO, "model name"), platform.machine())


def gpu_names() -> list[str]:
    """The NVIDIA GPUs that the driver knows; none where there is no driver."""
    paths = sorted(_GPUS.glob("*/information"))
    return [name for path in paths for name in _values(path, "Model")]


def _values(path: Path, key: str) -> Iterator[str]:
    """What a file of the kernel's, with lines of key and value, says of a key."""
    lines = _read(path).split("\n")
    return (line.partition(":")[2].strip() for line in lines if line.startswith(key))
