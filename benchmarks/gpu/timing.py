"""Timing on a GPU (or a CPU), what the machine can do at most, and rows of results."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...engine.backends.cores import versions
from ..rows import machine

_PACKAGES = ("nerx-engine", "torch", "triton", "transformers", "tokenizers", "numpy")
_CPU_RUNS = 5
_SUSTAINED_MS = 2000  # a GPU that is cool, or had nothing to do, is faster at first


@dataclass(slots=True)
class Bench:
    """One run: the device, its ceilings, and the file that rows are appended to as they come."""

    device: torch.device
    dtype: torch.dtype
    path: Path
    ceilings: dict[str, float] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def place(self) -> dict[str, Any]:
        """Where tensors are made, and of what."""
        return {"device": self.device, "dtype": self.dtype}

    @property
    def precision(self) -> str:
        """As `--precision` names it."""
        return "fp16" if self.dtype == torch.float16 else "fp32"

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
        subwords: int = 0,
        run_ms: int = 200,
        **values: Any,
    ) -> None:
        """Times work and keeps a row with its rates and its share of the ceilings.

        bytes_moved: that the work must read and write
        operations: multiplications and additions of its matrix products
        run_ms: for how long it is repeated on a GPU
        """
        p20, p50, p80 = self._time_ms(work, run_ms)
        if bytes_moved:
            rate = bytes_moved / p50 / 1e6
            values |= {"gb_per_s": rate, "bandwidth_share": rate / self.ceilings["copy_gb_per_s"]}
        if operations:
            rate = operations / p50 / 1e9
            values |= {"tflops": rate, "matmul_share": rate / self.ceilings["matmul_tflops"]}
        if subwords:
            values |= {"subwords": subwords, "subwords_per_s": 1000 * subwords / p50}
        self.add(what, **values, unit="ms", p20=p20, p50=p50, p80=p80)

    def add_machine(self) -> None:
        """What runs."""
        facts: dict[str, Any] = {"device": "CPU: no figure here is one of a GPU"}
        if self.on_gpu:
            properties = torch.cuda.get_device_properties(self.device)
            facts = {
                "device": properties.name,
                "capability": f"{properties.major}.{properties.minor}",
                "multiprocessors": properties.multi_processor_count,
                "device_memory_gb": round(properties.total_memory / 1e9, 1),
                "cuda": torch.version.cuda,
            }
        self.add("machine", **facts, **machine(), versions=versions(_PACKAGES))

    def measure_ceilings(self, when: str) -> None:
        """The rates of a large product, of a copy on the device and of one to it, sustained.

        when: "before" or "after" what is held to them
        """
        size, numbers = (8192, 1 << 29) if self.on_gpu else (512, 1 << 20)
        a, b = torch.randn(size, size, **self.place), torch.randn(size, size, **self.place)
        source = torch.zeros(numbers, dtype=torch.int8, device=self.device)
        target = torch.empty_like(source)
        works: dict[str, tuple[float, Callable[[], object]]] = {  # and how much, in thousandths
            "matmul_tflops": (2 * size**3 / 1e9, lambda: a @ b),
            "copy_gb_per_s": (2 * numbers / 1e6, lambda: target.copy_(source)),
        }
        if self.on_gpu:
            host = torch.zeros(numbers, dtype=torch.int8, pin_memory=True)
            copy = partial(target.copy_, host, non_blocking=True)
            works["host_to_device_gb_per_s"] = (numbers / 1e6, copy)
        found = {
            name: amount / self._time_ms(work, _SUSTAINED_MS)[1]
            for name, (amount, work) in works.items()
        }
        self.ceilings = self.ceilings or found
        self.add("ceilings", when=when, **found)

    def _time_ms(self, work: Callable[[], object], run_ms: int) -> tuple[float, float, float]:
        """p20, p50 and p80 of a piece of work, by CUDA events with a cold L2 cache on a GPU."""
        if self.on_gpu:
            from triton.testing import do_bench

            p20, p50, p80 = do_bench(work, warmup=50, rep=run_ms, quantiles=[0.2, 0.5, 0.8])
            return p20, p50, p80
        work()
        times = [_milliseconds(work) for _ in range(_CPU_RUNS)]
        fifths = statistics.quantiles(times, n=5, method="inclusive")
        return fifths[0], statistics.median(times), fifths[3]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
