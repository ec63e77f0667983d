"""Labelled blocks made by hand, with no model: every third word begins an entity of two words."""

import re

import numpy as np

from nerx.engine.formats.base import Reader
from nerx.engine.labels.schemes import Scheme
from nerx.engine.types import Block, EncodedBlock, LabelledBlock, Record, Spans, WordLabels

NER = Scheme.from_labels(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
SEGMENTATION = Scheme.from_labels(["B", "I"])
SCORE = 0.987654


def parse(reader: Reader, data: bytes) -> list[Record]:
    """The records of an input that is one block."""
    return reader.parse(Block(data, 1, 0))


def label(records: list[Record], scheme: Scheme) -> LabelledBlock:
    """Labels records: for segmentation, words of two characters (or tokens)."""
    pattern = re.compile(r"\S" if scheme.segmentation else r"\S+")
    doc_words, starts, ends, ids, spans = [0], [], [], [], []
    for record in records:
        if record.tokens is not None:
            places = [(i, i + 1) for i in range(len(record.tokens))]
        else:
            places = [match.span() for match in pattern.finditer(record.text)]
        found, labels = _spans(len(places), scheme.segmentation)
        spans += [(doc_words[-1] + first, doc_words[-1] + end, kind) for first, end, kind in found]
        ids += labels
        starts += [start for start, _ in places]
        ends += [end for _, end in places]
        doc_words.append(doc_words[-1] + len(places))
    columns = np.array(spans, np.int32).reshape(-1, 3)
    encoded = EncodedBlock(
        doc_words=np.array(doc_words, np.int32),
        word_start=np.array(starts, np.int32),
        word_end=np.array(ends, np.int32),
        word_subwords=np.arange(len(starts) + 1, dtype=np.int32),
        word_heads=np.arange(len(starts), dtype=np.int32),
        subword_ids=np.zeros(len(starts), np.int32),
        windows=np.zeros((0, 4), np.int32),
    )
    return LabelledBlock(
        records=records,
        encoded=encoded,
        labels=WordLabels(np.array(ids, np.int32), np.ones(len(ids), np.float32)),
        spans=Spans(columns[:, 0], columns[:, 1], columns[:, 2]),
        span_scores=np.full(len(columns), SCORE, np.float32),
        names=scheme.labels,
        types=scheme.types,
        segmentation=scheme.segmentation,
    )


def _spans(words: int, segmentation: bool) -> tuple[list[tuple[int, int, int]], list[int]]:
    """First word, end and type of each span of a document, and the label of each of its words."""
    if segmentation:
        spans = [(first, min(first + 2, words), 0) for first in range(0, words, 2)]
        return spans, [place % 2 for place in range(words)]
    spans, labels = [], [0] * words
    for number, first in enumerate(range(0, words, 3)):
        end, kind = min(first + 2, words), number % 2
        spans.append((first, end, kind))
        labels[first:end] = [1 + 2 * kind, 2 + 2 * kind][: end - first]
    return spans, labels
