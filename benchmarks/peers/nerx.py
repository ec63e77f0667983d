"""nerx itself as a system of a benchmark: from a file to a file, as `nerx tag` does it."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

from ...engine.bundle import Bundle
from ...engine.config import LabelConfig, RunConfig
from ...engine.model import Model
from ...engine.run.memory import collect_rarely
from ...engine.run.run import Run
from ..driver import Task
from ..labels import Span, word_begins


def open_driver(task: Task) -> "NerxDriver":
    """Loads a bundle."""
    return NerxDriver(task, load_model(task))


def load_model(task: Task) -> Model:
    """A bundle's model."""
    return Model(
        Bundle.load(Path(task.model)),
        backend=task.backend,
        precision=task.precision,
        device=task.device,
        config=LabelConfig(decode=task.decode, batch_tokens=task.batch_tokens or None),
    )


class NerxDriver:
    """What `nerx tag` does, on a loaded model."""

    def __init__(self, task: Task, model: Model) -> None:
        collect_rarely()  # as the command does
        self._task, self._joint = task, task.joint
        self.model = model
        model.labeller.share_equals = False  # copies of the sample stand for other text
        backend = model.backend
        self.facts = {
            "version": version("nerx-engine"),
            "device": backend.device,
            "streams": backend.streams,
            "batch_tokens": task.batch_tokens or backend.batch_tokens,
            "workers": task.workers,
            "decode": task.decode,
        }
        self.folder = tempfile.TemporaryDirectory(prefix="nerx-bench-")
        self.input = Path(self.folder.name, "in.jsonl")
        self._output = Path(self.folder.name, "out.jsonl")
        self._documents: list[list[str]] = []
        self._stats: dict[str, Any] = {}  # of the last run
        self._steady: float | None = None  # words a second from its first block to its last

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        self._documents = documents
        with self.input.open("w", encoding="utf-8") as file:
            for value in self.values(chain.from_iterable(repeat(documents, copies))):
                file.write(json.dumps(value, ensure_ascii=False) + "\n")

    def values(self, documents: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
        """The lines of the input."""
        for words in documents:
            yield {"tokens": words} if self._joint else {"text": "".join(words)}

    def run(self, batch_size: int) -> None:
        config = RunConfig(
            inputs=(str(self.input),),
            output=str(self._output),
            force=True,
            workers=self._task.workers,
            block_bytes=self._task.block_bytes,
        )
        with Run(config, self.model) as run:
            done = [(time.perf_counter(), progress.words) for progress in run]
            self._stats = run.stats()
        (began, before), (ended, words) = done[0], done[-1]
        self._steady = (words - before) / (ended - began) if len(done) > 1 else None

    def report(self) -> dict[str, Any]:
        """Counts, `stages` (seconds of each, over all threads), `waits`, and the steady rate."""
        stats = self._stats
        return {
            "subwords": stats["subwords"],
            "positions": stats["padded_subwords"],
            "stages": stats["stage_s"],
            "waits": stats["wait_s"],
            "wall_s": stats["seconds"],
            "steady_words_per_s": self._steady,
        }

    def spans(self, documents: int) -> list[list[Span]]:
        with self._output.open(encoding="utf-8") as file:
            pairs = zip(self._documents[:documents], file, strict=False)
            return [self._spans(words, json.loads(line)) for words, line in pairs]

    def _spans(self, words: list[str], found: dict[str, Any]) -> list[Span]:
        if not self._joint:
            return [(a, b, "") for a, b in pairwise(word_begins(found["words"], ""))]
        begins = word_begins(words, self._joint)
        return [
            (begins[one["start"]], begins[one["end"]] - len(self._joint), one["entity_group"])
            for one in found["entities"]
        ]
