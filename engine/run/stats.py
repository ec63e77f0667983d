"""Where the time of a run goes: seconds by stage, and what the stages waited for."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from ..inference.labeller import PendingBlock
from .memory import peak_memory_mb
from .stages import FinishedBlock

_STAGES = ("read", "encode", "batch", "run", "label", "render", "write")


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


class Stats:
    """What one run costs: seconds by stage, subwords and their padding, memory of its workers."""

    def __init__(self) -> None:
        self.clock = Stopwatch()
        self.subwords = 0  # given to the model
        self.padded_subwords = 0  # the places they took in batches
        self.repeated_subwords = 0  # not given to it, since an equal window was
        self.worker_memory_mb = 0.0  # peak of the worker that held most

    def count_model(self, block: PendingBlock) -> None:
        """Adds what a block cost that the model is done with."""
        self.subwords += block.subwords
        self.padded_subwords += block.padded_subwords
        self.repeated_subwords += block.repeated_subwords
        self.clock.add("run", sum(block.run_s))

    def count_worker(self, block: FinishedBlock) -> None:
        """Adds what a block cost that is finished."""
        self.clock.add("encode", block.encode_s)
        self.clock.add("render", block.render_s)
        self.worker_memory_mb = max(self.worker_memory_mb, block.memory_mb)

    def summary(self) -> dict[str, Any]:
        """As `--stats` writes it."""
        places, every = self.padded_subwords, self.subwords + self.repeated_subwords
        return {
            "stage_s": self.clock.seconds(*_STAGES),
            "wait_s": self.clock.seconds("input", "workers", "model"),
            "subwords": self.subwords,
            "padded_subwords": places,
            "padding": round(1 - self.subwords / places, 5) if places else 0.0,
            "repeats": round(self.repeated_subwords / every, 5) if every else 0.0,
            "peak_memory_mb": peak_memory_mb(),
        }
