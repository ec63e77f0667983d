"""`ckip-transformers`, which segments Chinese with a driver of its own."""

from importlib.metadata import version
from itertools import pairwise

from ..driver import Driver, Task
from ..labels import Span, word_begins
from .checkpoint import checkpoint_of
from .pipelines import PeerDriver


def open_driver(task: Task) -> Driver:
    """`CkipWordSegmenter` as its manual shows it, without its progress bars."""
    from ckip_transformers.nlp import CkipWordSegmenter

    segmenter = CkipWordSegmenter(model_name=checkpoint_of(task.model), device=-1)

    def label(texts: list[str], batch_size: int) -> list[list[str]]:
        found: list[list[str]] = segmenter(texts, batch_size=batch_size, show_progress=False)
        return found

    def spans_of(words: list[str]) -> list[Span]:
        return [(a, b, "") for a, b in pairwise(word_begins(words, ""))]

    facts = {"version": version("ckip-transformers"), "device": "cpu"}
    return PeerDriver(
        segmenter.model, label, spans_of, facts, lambda documents: ["".join(d) for d in documents]
    )
