"""The libraries that nerx is compared with, each as its manual shows it.

All are given the same words. A library is imported in the process of its own system alone.
"""

import contextlib
import io
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Any

from ..driver import Task
from ..labels import Span, word_spans
from .checkpoint import checkpoint_of

Documents = list[list[str]]


class PeerDriver:
    """A peer behind a function.

    label: labels what `prepared` makes of documents, in batches of so many rows
    spans_of: the spans in what `label` gives for a document
    versions: facts, and the packages whose versions they are
    model: what it runs, whose rows are counted; None for what reads characters, one by one
    """

    def __init__(
        self,
        label: Callable[[Any, int], list[Any]],
        spans_of: Callable[[Any], list[Span]],
        versions: dict[str, str],
        model: Any = None,
        prepared: Callable[[Documents], Any] = lambda documents: documents,
    ) -> None:
        self.facts = {fact: version(package) for fact, package in versions.items()}
        self.facts["device"] = str(getattr(model, "device", "cpu"))
        self._counts = count_rows(model) if model else None
        self._label, self._spans_of, self._prepared = label, spans_of, prepared
        self._documents: Any = []
        self._found: list[Any] = []

    def prepare(self, documents: Documents, copies: int) -> None:
        self._documents = self._prepared(documents) * copies

    def run(self, batch_size: int) -> None:
        if self._counts:
            self._counts.update(subwords=0, positions=0)
        self._found = self._label(self._documents, batch_size)

    def report(self) -> dict[str, Any]:
        if self._counts:
            return dict(self._counts)
        return dict.fromkeys(("subwords", "positions"), sum(map(len, self._documents)))

    def spans(self, documents: int) -> list[list[Span]]:
        return [self._spans_of(one) for one in self._found[:documents]]


def open_transformers(task: Task) -> PeerDriver:
    """The pipeline on PyTorch, in the precision and on the device of the task."""
    import torch
    from transformers import AutoModelForTokenClassification

    folder = checkpoint_of(task.model)
    dtype = torch.float16 if task.precision == "fp16" else torch.float32
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=dtype)
    versions = {"version": "transformers", "torch": "torch"}
    return _pipeline(model, folder, task, versions, device=task.device)


def open_optimum(task: Task) -> PeerDriver:
    """The pipeline on ONNX Runtime, with optimum's own export of the checkpoint in fp32."""
    from optimum.onnxruntime import ORTModelForTokenClassification

    folder = checkpoint_of(task.model)
    model = ORTModelForTokenClassification.from_pretrained(folder, export=True)
    versions = {"version": "optimum-onnx", "onnxruntime": "onnxruntime"}
    return _pipeline(model, folder, task, versions)


def _pipeline(
    model: Any, folder: str, task: Task, versions: dict[str, str], **options: Any
) -> PeerDriver:
    """A pipeline with aggregation strategy "first"."""
    from transformers import AutoTokenizer, pipeline

    classifier = pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        aggregation_strategy="first",
        **options,
    )

    def label(documents: Documents, batch_size: int) -> list[Any]:
        found: list[Any] = classifier(
            documents, is_split_into_words=True, delimiter=task.joint, batch_size=batch_size
        )
        return found

    def spans_of(groups: list[dict[str, Any]]) -> list[Span]:
        spans = [(int(g["start"]), int(g["end"]), str(g["entity_group"])) for g in groups]
        return spans if task.joint else words_of_groups(spans)

    return PeerDriver(label, spans_of, versions, model)


def words_of_groups(groups: list[Span]) -> list[Span]:
    """The words that bare B and I mean; pipelines report a run of equal labels as one group."""
    words: list[Span] = []
    for start, end, label in groups:
        if label == "B" or not words:
            words += [(place, place + 1, "") for place in range(start, end)]
        else:
            words[-1] = (words[-1][0], end, "")
    return words


def open_spacy(task: Task) -> PeerDriver:
    """A blank language with the component `hf_token_pipe`, given words that are cut already."""
    import spacy
    from spacy.tokens import Doc

    language = spacy.blank("en")
    model = checkpoint_of(task.model)
    config = {"model": model, "aggregation_strategy": "first", "annotate": "ents"}
    pipeline: Any = language.add_pipe("hf_token_pipe", config=config).hf_pipeline

    def label(documents: Documents, batch_size: int) -> list[Any]:
        pipeline._batch_size = batch_size  # what the component's option `kwargs` sets
        return list(language.pipe(Doc(language.vocab, words=words) for words in documents))

    def spans_of(document: Any) -> list[Span]:
        return [(span.start_char, span.end_char, span.label_) for span in document.ents]

    versions = {"version": "spacy-huggingface-pipelines", "spacy": "spacy"}
    return PeerDriver(label, spans_of, versions, pipeline.model)


def open_ckip(task: Task) -> PeerDriver:
    """`CkipWordSegmenter`, which segments Chinese, without its progress bars."""
    from ckip_transformers.nlp import CkipWordSegmenter

    segmenter = CkipWordSegmenter(model_name=checkpoint_of(task.model), device=-1)

    def label(texts: list[str], batch_size: int) -> list[list[str]]:
        found: list[list[str]] = segmenter(texts, batch_size=batch_size, show_progress=False)
        return found

    versions = {"version": "ckip-transformers"}
    return PeerDriver(label, word_spans, versions, segmenter.model, _texts)


def open_jieba(task: Task) -> PeerDriver:
    """jieba: a dictionary, and a hidden Markov model for words that it lacks."""
    import jieba

    jieba.setLogLevel("ERROR")
    jieba.initialize()
    return _segmenter("jieba", jieba.lcut)


def open_thulac(task: Task) -> PeerDriver:
    """THULAC: a structured perceptron of characters, with the model that its package brings."""
    import thulac

    with contextlib.redirect_stdout(io.StringIO()):  # which it greets on
        segmenter = thulac.thulac(seg_only=True)
    return _segmenter("thulac", lambda text: [word for word, _ in segmenter.cut(text)])


def _segmenter(package: str, cut: Callable[[str], list[str]]) -> PeerDriver:
    """A function that cuts a text into words, on one core and one text at a time."""

    def label(texts: list[str], batch_size: int) -> list[list[str]]:
        return [cut(text) for text in texts]

    return PeerDriver(label, word_spans, {"version": package}, prepared=_texts)


def _texts(documents: Documents) -> list[str]:
    return ["".join(words) for words in documents]


def count_rows(model: Any) -> dict[str, int]:
    """Counts the subwords that a model gets from now on, and the positions they are padded to."""
    counts, forward = {"subwords": 0, "positions": 0}, model.forward

    @wraps(forward)
    def counted(*args: Any, **inputs: Any) -> Any:
        mask = inputs["attention_mask"]
        counts["subwords"] += int(mask.sum())
        counts["positions"] += mask.shape[0] * mask.shape[1]
        return forward(*args, **inputs)

    model.forward = counted
    return counts
