"""Word labels to spans: runs of words, their scores, what is sure enough to keep. Pure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..arrays import ragged_range
from ..types import EncodedBlock, Floats, Ints, LabelledBlock, Record, Spans, WordLabels
from .decoding import document_edges, previous_labels
from .schemes import Scheme


def label_records(
    records: list[Record],
    encoded: EncodedBlock,
    labels: WordLabels,
    scheme: Scheme,
    min_score: float = 0.0,
) -> LabelledBlock:
    """The records of a block with their spans; those with a lower mean score are dropped."""
    spans = find_spans(labels.label_ids, _breaks(encoded, scheme), scheme)
    scores = mean_scores(labels.scores, spans)
    if min_score:
        keep = scores >= min_score
        labels = _without(labels, _chosen(spans, ~keep), scheme)
        spans, scores = _chosen(spans, keep), scores[keep]
    return LabelledBlock(
        records=records,
        encoded=encoded,
        labels=labels,
        spans=spans,
        span_scores=scores,
        names=scheme.labels,
        types=scheme.types,
        segmentation=scheme.segmentation,
    )


def find_spans(label_ids: Ints, starts: Ints, scheme: Scheme) -> Spans:
    """The labelled spans of a run of documents.

    label_ids: (words,)
    starts: (any,) words before which no span goes on, the first words of documents among them;
        repeats and len(label_ids) are allowed, so that `doc_words` will do.
    """
    kinds = scheme.label_types[label_ids]
    edge = document_edges(len(label_ids), starts)
    begins = scheme.begins[previous_labels(label_ids, edge, scheme), label_ids]
    first = np.flatnonzero(begins)
    stops = np.append(np.flatnonzero(begins | edge | (kinds < 0)), len(label_ids))
    end = stops[np.searchsorted(stops, first, side="right")]
    return Spans(first=first.astype(np.int32), end=end.astype(np.int32), label=kinds[first])


def spans_of_tags(tags: Sequence[str], starts: Ints, scheme: Scheme) -> Spans:
    """`find_spans` of labels by their names."""
    numbers = {name: number for number, name in enumerate(scheme.labels)}
    label_ids = np.fromiter(map(numbers.__getitem__, tags), np.int32, len(tags))
    return find_spans(label_ids, starts, scheme)


def mean_scores(scores: Floats, spans: Spans) -> Floats:
    """The mean word score of each span: (spans,)."""
    total = np.zeros(len(scores) + 1)
    np.cumsum(scores, out=total[1:])
    means = (total[spans.end] - total[spans.first]) / (spans.end - spans.first)
    return means.astype(np.float32)


def _breaks(encoded: EncodedBlock, scheme: Scheme) -> Ints:
    """The words before which no span goes on: first ones; in segmentation, after a gap too."""
    if not scheme.segmentation:
        return encoded.doc_words
    gaps = np.flatnonzero(encoded.word_start[1:] != encoded.word_end[:-1]) + 1
    return np.concatenate([encoded.doc_words, gaps.astype(np.int32)])


def _chosen(spans: Spans, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Spans:
    return Spans(first=spans.first[which], end=spans.end[which], label=spans.label[which])


def _without(labels: WordLabels, dropped: Spans, scheme: Scheme) -> WordLabels:
    """The labels with an O, where there is one, for the words of spans that were dropped."""
    if "O" not in scheme.labels:
        return labels
    label_ids = labels.label_ids.copy()
    label_ids[ragged_range(dropped.first, dropped.end - dropped.first)] = scheme.labels.index("O")
    return replace(labels, label_ids=label_ids)
