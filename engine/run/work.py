"""What is done to a block before and after the model: parse and encode, then decode and render."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..arrays import ragged_range
from ..config import LabelConfig
from ..formats.base import LabelledBlock, Reader, Writer
from ..labels.decoding import find_spans, mean_scores
from ..labels.schemes import Scheme
from ..text.encoding import Encoder
from ..types import Block, EncodedBlock, Floats, Ints, Record, Spans, WordLabels
from .stats import peak_memory_mb


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """What is left of a block in the end."""

    output: bytes
    rejected: list[Record]  # in their order, without their documents
    read: int  # records that were parsed
    records: int  # of these, the ones in the output
    words: int
    spans: int
    encode_s: float  # to parse and encode it
    render_s: float  # to decode and render it
    memory_mb: float  # peak of the process that did it


@dataclass(frozen=True, slots=True)
class _OpenBlock:
    writer: Writer
    good: list[Record]
    bad: list[Record]
    encoded: EncodedBlock
    encode_s: float


class Worker:
    """Opens blocks, keeps their records while the model labels them, and closes them.

    formats: the reader and writer for each kind of input
    """

    def __init__(
        self,
        formats: Mapping[str, tuple[Reader, Writer]],
        encoder: Encoder,
        scheme: Scheme,
        config: LabelConfig,
    ) -> None:
        self._formats = formats
        self._encoder = encoder
        self._scheme = scheme
        self._config = config
        self._open: dict[int, _OpenBlock] = {}

    def open(self, number: int, kind: str, block: Block) -> EncodedBlock:
        """Parses and encodes a block; `number` stands for it until it is closed."""
        began = time.perf_counter()
        reader, writer = self._formats[kind]
        records = reader.parse(block)
        good = [record for record in records if record.error is None]
        bad = [record for record in records if record.error is not None]
        encoded = self._encoder.encode(good)
        seconds = time.perf_counter() - began
        self._open[number] = _OpenBlock(writer, good, bad, encoded, seconds)
        return encoded

    def close(self, number: int, labels: WordLabels) -> FinishedBlock:
        """Decodes and renders an open block; documents that the model failed on are rejected."""
        began = time.perf_counter()
        held = self._open.pop(number)
        good, bad, encoded = held.good, held.bad, held.encoded
        if labels.failed:
            for document, reason in labels.failed.items():
                good[document].error = f"the model failed: {reason}"
            bad = sorted([*bad, *(r for r in good if r.error)], key=lambda record: record.offset)
            good = [record for record in good if record.error is None]
            labels = _without_failed(labels, encoded.doc_words)
            encoded = self._encoder.encode(good)
        block = decode(good, encoded, labels, self._scheme, self._config.min_score)
        output = held.writer.render(block)
        return FinishedBlock(
            output=output,
            rejected=[Record(r.raw, r.line, r.offset, error=r.error) for r in bad],
            read=len(held.good) + len(held.bad),
            records=len(good),
            words=encoded.words,
            spans=len(block.spans.first),
            encode_s=held.encode_s,
            render_s=time.perf_counter() - began,
            memory_mb=peak_memory_mb(),
        )


def decode(
    records: list[Record],
    encoded: EncodedBlock,
    labels: WordLabels,
    scheme: Scheme,
    min_score: float = 0.0,
) -> LabelledBlock:
    """Word labels to spans and their scores; spans with a lower mean score are dropped."""
    spans = find_spans(labels.label_ids, _breaks(encoded, scheme), scheme)
    scores = mean_scores(labels.scores, spans)
    if min_score:
        spans, scores = _drop_doubtful(labels, spans, scores, scheme, min_score)
    return LabelledBlock(records, encoded, labels, spans, scores, scheme)


def _breaks(encoded: EncodedBlock, scheme: Scheme) -> Ints:
    """The words before which no span goes on: first ones; in segmentation, after a gap too."""
    if not scheme.segmentation:
        return encoded.doc_words
    gaps = np.flatnonzero(encoded.word_start[1:] != encoded.word_end[:-1]) + 1
    return np.concatenate([encoded.doc_words, gaps.astype(np.int32)])


def _drop_doubtful(
    labels: WordLabels, spans: Spans, scores: Floats, scheme: Scheme, least: float
) -> tuple[Spans, Floats]:
    """Removes the spans below the least score, and their labels where there is an O."""
    keep = scores >= least
    if "O" in scheme.labels:
        first, end = spans.first[~keep], spans.end[~keep]
        labels.label_ids[ragged_range(first, end - first)] = scheme.labels.index("O")
    kept = Spans(first=spans.first[keep], end=spans.end[keep], label=spans.label[keep])
    return kept, scores[keep]


def _without_failed(labels: WordLabels, doc_words: Ints) -> WordLabels:
    """The labels of the documents that the model did not fail on."""
    kept = np.ones(len(doc_words) - 1, np.bool_)
    kept[list(labels.failed)] = False
    words = np.repeat(kept, np.diff(doc_words))
    return WordLabels(label_ids=labels.label_ids[words], scores=labels.scores[words])
