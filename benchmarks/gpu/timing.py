"""Timing on a GPU (or a CPU), what the machine can do at most, and rows of results."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..rows import machine, versions

_PACKAGES = ("nerx-engine", "torch", "triton", "transformers", "tokenizers", "numpy")
_CPU_RUNS = 5


@dataclass(slots=True)
class Bench:
    """One run: the device, its ceilings, and the file that rows are appended to as they come."""

    device: torch.device
    dtype: torch.dtype
    path: Path
    ceilings: dict[str, float] = field(default_factory=dict)

    def time_ms(self, work: Callable[[], object]) -> tuple[float, float, float]:
        """p20, p50 and p80 of a piece of work, by CUDA events with a cold L2 cache on a GPU."""
        if self.device.type == "cuda":
            from triton.testing import do_bench

            p20, p50, p80 = do_bench(work, warmup=50, rep=200, quantiles=[0.2, 0.5, 0.8])
            return p20, p50, p80
        work()
        return quantiles([_seconds(work) * 1000 for _ in range(_CPU_RUNS)])

    def wall_s(self, work: Callable[[], object], runs: int = 5) -> tuple[float, float, float]:
        """p20, p50 and p80 of work that waits for the device; the first run does not count."""
        work()
        return quantiles([_seconds(work) for _ in range(runs)])

    def add(self, what: str, **values: Any) -> None:
        """Writes a row and shows it."""
        row = {"what": what, "dtype": str(self.dtype).removeprefix("torch."), **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = (f"{key} {_short(value)}" for key, value in values.items() if value is not None)
        print(f"{what:9}", ", ".join(shown), flush=True)

    def add_timed(
        self,
        what: str,
        work: Callable[[], object],
        *,
        bytes_moved: float = 0.0,
        operations: float = 0.0,
        **values: Any,
    ) -> float:
        """Times work, keeps a row with its share of the ceilings, and gives its p50 in ms.

        bytes_moved: that the work must read and write
        operations: multiplications and additions of its matrix products
        """
        p20, p50, p80 = self.time_ms(work)
        if bytes_moved:
            rate = bytes_moved / p50 / 1e6
            values |= {"gb_per_s": rate, "bandwidth_share": rate / self.ceilings["copy_gb_per_s"]}
        if operations:
            rate = operations / p50 / 1e9
            values |= {"tflops": rate, "matmul_share": rate / self.ceilings["matmul_tflops"]}
        self.add(what, **values, unit="ms", p20=p20, p50=p50, p80=p80)
        return p50

    def measure_ceilings(self, *, small: bool) -> None:
        """What runs, and the rates of a large product, of a copy on the device and of one to it."""
        facts: dict[str, Any] = {"device": "CPU: no figure here is one of a GPU"}
        if self.device.type == "cuda":
            properties = torch.cuda.get_device_properties(self.device)
            facts = {
                "device": properties.name,
                "capability": f"{properties.major}.{properties.minor}",
                "multiprocessors": properties.multi_processor_count,
                "device_memory_gb": round(properties.total_memory / 1e9, 1),
                "cuda": torch.version.cuda,
            }
        self.add("machine", **facts, **machine(), versions=versions(_PACKAGES))
        size, numbers = (512, 1 << 20) if small else (8192, 1 << 29)
        place = {"device": self.device, "dtype": self.dtype}
        a, b = torch.randn(size, size, **place), torch.randn(size, size, **place)
        ms = self.time_ms(lambda: a @ b)[1]
        self.ceilings["matmul_tflops"] = 2 * size**3 / ms / 1e9
        source = torch.zeros(numbers, dtype=torch.int8, device=self.device)
        target = torch.empty_like(source)
        ms = self.time_ms(lambda: target.copy_(source))[1]
        self.ceilings["copy_gb_per_s"] = 2 * numbers / ms / 1e6
        if self.device.type == "cuda":
            host = torch.zeros(numbers // 4, dtype=torch.int8, pin_memory=True)
            ms = self.time_ms(lambda: target[: len(host)].copy_(host, non_blocking=True))[1]
            self.ceilings["host_to_device_gb_per_s"] = len(host) / ms / 1e6
        self.add("ceilings", **self.ceilings)


def quantiles(values: list[float]) -> tuple[float, float, float]:
    """p20, p50 and p80."""
    fifths = statistics.quantiles(values, n=5, method="inclusive")
    return fifths[0], statistics.median(values), fifths[3]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
