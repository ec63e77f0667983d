"""A model alone: batches are made beforehand, so that nothing but its own time counts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...engine.backends.select import open_backend
from ...engine.bundle import Bundle
from ...engine.types import Batch
from ...export.batches import engine_batches
from ...export.sample import Sample
from ..driver import Task
from ..labels import Span


def open_driver(task: Task) -> "AloneDriver":
    """Loads one of nerx's own backends."""
    bundle = Bundle.load(Path(task.model))
    backend = open_backend(bundle, task.backend, task.precision, task.device)
    facts: dict[str, Any] = {"version": version("nerx-engine"), "device": backend.device}
    facts |= {"streams": backend.streams}
    tokens = task.batch_tokens or backend.batch_tokens
    return AloneDriver(bundle, backend.run, tokens, facts, packed=backend.packs)


class AloneDriver:
    """Batches as the engine makes them, put through a model on as many threads as it likes.

    facts: what is known of it, `streams` among that
    finish: waits for what `run` gave
    packed: `run` leaves padding out
    """

    def __init__(
        self,
        bundle: Bundle,
        run: Callable[[Batch], Any],
        batch_tokens: int,
        facts: dict[str, Any],
        finish: Callable[[Any], object] = lambda found: found,
        packed: bool = False,
    ) -> None:
        self.facts = facts | {"batch_tokens": batch_tokens}
        self._bundle = bundle
        self._run = run
        self._finish = finish
        self._packed = packed
        self._batches: list[Batch] = []
        self._lanes = ThreadPoolExecutor(facts["streams"])  # a thread has a CUDA stream

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        sample = Sample(documents, None, "", self._bundle.unit)
        tokens, packed = self.facts["batch_tokens"], self._packed
        batches = engine_batches(self._bundle, sample, tokens, packed=packed, copies=copies)
        self._batches = [batch for batch, _ in batches]

    def run(self, batch_size: int) -> None:
        for found in self._lanes.map(self._run, self._batches):
            self._finish(found)

    def report(self) -> dict[str, Any]:
        subwords = sum(int(batch.attention_mask.sum()) for batch in self._batches)
        positions = sum(batch.input_ids.size for batch in self._batches)
        return {"subwords": subwords, "positions": subwords if self._packed else positions}

    def spans(self, documents: int) -> list[list[Span]]:
        return []
