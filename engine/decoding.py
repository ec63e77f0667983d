"""Label ids to spans: legal label sequences, runs of words, their scores. Pure and vectorised."""

import numpy as np
from numpy.typing import NDArray

from nerx.engine.arrays import offsets, ragged_range
from nerx.engine.schemes import Scheme
from nerx.engine.types import Floats, Ints, Spans


def find_spans(label_ids: Ints, starts: Ints, scheme: Scheme) -> Spans:
    """The labelled spans of a run of documents.

    label_ids: (words,)
    starts: (any,) words before which no span goes on, the first words of documents among them;
        repeats and len(label_ids) are allowed, so that `doc_words` will do.
    """
    kinds = scheme.label_types[label_ids]
    edge = _edges(len(label_ids), starts)
    begins = scheme.begins[_previous(label_ids, edge, scheme), label_ids]
    first = np.flatnonzero(begins)
    stops = np.append(np.flatnonzero(begins | edge | (kinds < 0)), len(label_ids))
    end = stops[np.searchsorted(stops, first, side="right")]
    return Spans(first=first.astype(np.int32), end=end.astype(np.int32), label=kinds[first])


def mean_scores(scores: Floats, spans: Spans) -> Floats:
    """The mean word score of each span: (spans,)."""
    total = np.zeros(len(scores) + 1)
    np.cumsum(scores, out=total[1:])
    means = (total[spans.end] - total[spans.first]) / (spans.end - spans.first)
    return means.astype(np.float32)


def illegal_documents(label_ids: Ints, doc_words: Ints, scheme: Scheme) -> Ints:
    """Numbers of the documents whose labels break a rule of the scheme."""
    if scheme.legal.all() or not len(label_ids):
        return np.empty(0, np.int32)
    edge = _edges(len(label_ids), doc_words)
    bad = ~scheme.legal[_previous(label_ids, edge, scheme), label_ids]
    last = np.append(edge[1:], True)
    bad |= last & ~scheme.legal[label_ids, len(scheme.labels)]
    docs = np.searchsorted(doc_words, np.flatnonzero(bad), side="right") - 1
    return np.unique(docs).astype(np.int32)


def best_legal(logits: Floats, doc_words: Ints, scheme: Scheme) -> Ints:
    """The most probable legal label sequence of each document (Viterbi, all documents at once).

    logits: (words, labels) of the documents, one after the other
    doc_words: (docs + 1,)
    Returns label ids: (words,)
    """
    lengths = np.diff(doc_words)
    labels = len(scheme.labels)
    penalty = np.where(scheme.legal, 0.0, -np.inf)
    steps = ragged_range(np.zeros_like(lengths), lengths)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    emission = np.zeros((lengths.max(initial=0), len(lengths), labels))
    emission[steps, rows] = logits - logits.max(axis=1, keepdims=True)

    came_from = np.zeros(emission.shape, np.uint8)
    score = emission[0] + penalty[labels, :labels]
    last_score = score
    for step in range(1, len(emission)):
        paths = score[:, :, None] + penalty[None, :labels, :labels]
        came_from[step] = paths.argmax(axis=1)
        score = paths.max(axis=1) + emission[step]
        last_score = np.where((lengths > step)[:, None], score, last_score)

    best = np.zeros(emission.shape[:2], np.int32)
    label = (last_score + penalty[:labels, labels]).argmax(axis=1)
    every = np.arange(len(lengths))
    for step in range(len(emission) - 1, -1, -1):
        best[step] = label
        inside = (step > 0) & (lengths > step)
        label = np.where(inside, came_from[step, every, label], label)
    return best[steps, rows]


def softmax(logits: Floats) -> Floats:
    """Probabilities over the last axis."""
    powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def pool(probabilities: Floats, lengths: Ints, how: str) -> Floats:
    """Pools the rows of each word's subwords: (subwords, labels), (words,) -> (words, labels).

    how: "mean" or "max"; every row is scaled to sum to one.
    """
    begin = offsets(lengths)[:-1]
    pooling = np.add if how == "mean" else np.maximum
    pooled: Floats = pooling.reduceat(probabilities, begin)
    pooled /= pooled.sum(axis=1, keepdims=True)
    return pooled


def _edges(words: int, starts: Ints) -> NDArray[np.bool_]:
    edge = np.zeros(words + 1, np.bool_)
    edge[starts] = True
    return edge[:-1]


def _previous(label_ids: Ints, edge: NDArray[np.bool_], scheme: Scheme) -> Ints:
    """The label before each word, with the table row of the edge where a document begins."""
    previous = np.empty_like(label_ids)
    previous[1:] = label_ids[:-1]
    previous[edge] = len(scheme.labels)
    return previous
