"""`ckip-transformers`, which segments Chinese with a driver of its own."""

from importlib.metadata import version

from ..driver import Driver, Task
from ..labels import word_spans
from .checkpoint import checkpoint_of
from .pipelines import PeerDriver


def open_driver(task: Task) -> Driver:
    """`CkipWordSegmenter` as its manual shows it, without its progress bars."""
    from ckip_transformers.nlp import CkipWordSegmenter

    segmenter = CkipWordSegmenter(model_name=checkpoint_of(task.model), device=-1)

    def label(texts: list[str], batch_size: int) -> list[list[str]]:
        found: list[list[str]] = segmenter(texts, batch_size=batch_size, show_progress=False)
        return found

    facts = {"version": version("ckip-transformers"), "device": "cpu"}
    return PeerDriver(
        segmenter.model, label, word_spans, facts, lambda documents: ["".join(d) for d in documents]
    )
