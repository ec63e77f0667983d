"""`ckip-transformers`, which segments Chinese with a driver of its own."""

from importlib.metadata import version
from itertools import pairwise
from typing import Any

from ..driver import Driver, Task
from ..labels import Span, word_begins
from .checkpoint import checkpoint_of
from .pipelines import count_rows


def open_driver(task: Task) -> Driver:
    """Loads a checkpoint whose labels are bare B and I."""
    return CkipDriver(task)


class CkipDriver:
    """`CkipWordSegmenter` as its manual shows it, without its progress bars."""

    def __init__(self, task: Task) -> None:
        from ckip_transformers.nlp import CkipWordSegmenter

        self._segmenter = CkipWordSegmenter(model_name=checkpoint_of(task.model), device=-1)
        self._counts = count_rows(self._segmenter.model)
        self._texts: list[str] = []
        self._found: list[list[str]] = []
        self.facts = {"version": version("ckip-transformers"), "device": "cpu"}

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        self._texts = ["".join(words) for words in documents] * copies

    def run(self, batch_size: int) -> None:
        self._counts.subwords = self._counts.positions = 0
        self._found = self._segmenter(self._texts, batch_size=batch_size, show_progress=False)

    def report(self) -> dict[str, Any]:
        return {"subwords": self._counts.subwords, "positions": self._counts.positions}

    def spans(self, documents: int) -> list[list[Span]]:
        found: list[list[Span]] = []
        for words in self._found[:documents]:
            begins = word_begins(words, "")
            found.append([(a, b, "") for a, b in pairwise(begins)])
        return found
