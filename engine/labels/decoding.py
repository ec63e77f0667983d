"""Legal label sequences: what is illegal, and the best that is not. Pure and vectorised."""

import numpy as np
from numpy.typing import NDArray

from ..arrays import offsets
from ..types import Floats, Ints
from .schemes import Scheme


def illegal_words(label_ids: Ints, doc_words: Ints, scheme: Scheme) -> NDArray[np.bool_]:
    """Whether each word may not follow the one before, or not be its document's last: (words,)."""
    if scheme.legal.all() or not len(label_ids):
        return np.zeros(len(label_ids), np.bool_)
    edge = document_edges(len(label_ids), doc_words)
    bad = ~scheme.legal[previous_labels(label_ids, edge, scheme), label_ids]
    last = np.append(edge[1:], True)
    illegal: NDArray[np.bool_] = bad | (last & ~scheme.legal[label_ids, len(scheme.labels)])
    return illegal


def illegal_runs(label_ids: Ints, doc_words: Ints, scheme: Scheme, reach: int) -> Ints:
    """First and end of the runs of words around each broken rule: (runs, 2).

    A run reaches `reach` words to both sides, at most to the ends of its document.
    """
    bad = np.flatnonzero(illegal_words(label_ids, doc_words, scheme))
    doc = np.searchsorted(doc_words, bad, side="right") - 1
    first = np.maximum(bad - reach, doc_words[doc])
    end = np.minimum(bad + reach, doc_words[doc + 1])
    apart = (first[1:] > end[:-1]) | (doc[1:] != doc[:-1])
    begins = np.append(True, apart)[: len(bad)]
    ends = np.append(apart, True)[: len(bad)]
    return np.column_stack([first[begins], end[ends]]).astype(np.int32)


def best_legal(
    logits: Floats,
    bounds: Ints,
    scheme: Scheme,
    begins: NDArray[np.bool_] | None = None,
    ends: NDArray[np.bool_] | None = None,
) -> Ints:
    """The most probable legal label sequence of each run of words (Viterbi, all runs at once).

    logits: (words, labels) of the runs, one after the other
    bounds: (runs + 1,) where they begin and end
    begins, ends: (runs,) whether a run begins or ends its document; None where all do
    Returns label ids: (words,)

    Two documents, of three words and of one. In each the arg max is I-PER after nothing, which is
    illegal; the first has a B-PER before it for little, the second is better off as O.

    >>> scheme = Scheme.from_labels(["O", "B-PER", "I-PER"])
    >>> logits = np.array([[1, 0.9, 0], [0, 0, 5], [3, 0, 0], [2, 1, 3]], np.float32)
    >>> logits.argmax(axis=1)
    array([0, 2, 0, 2])
    >>> best_legal(logits, np.array([0, 3, 4], np.int32), scheme)
    array([1, 2, 0, 0], dtype=int32)
    """
    order = np.argsort(-np.diff(bounds), kind="stable")
    first, lengths = bounds[:-1][order], np.diff(bounds)[order]
    # Runs still going on at each step: the longest ones, so a head of the sorted runs.
    steps = np.arange(lengths.max(initial=0))
    going = np.searchsorted(-lengths, -steps, side="left")
    penalty = np.where(scheme.legal, 0.0, -np.inf)
    step_penalty, labels = penalty[:-1, :-1], len(scheme.labels)
    emission = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)

    score = emission[first[: going[0] if len(going) else 0]]
    score += _where_edge(begins, order, penalty[labels, :labels])[: len(score)]
    last_score = np.zeros((len(order), labels))
    came_from = np.zeros(emission.shape, np.min_scalar_type(labels))
    for step in steps[1:]:
        count = going[step]
        last_score[count : len(score)] = score[count:]
        words = first[:count] + step
        paths = score[:count, :, None] + step_penalty
        came_from[words] = paths.argmax(axis=1)
        score = paths.max(axis=1) + emission[words]
    last_score[: len(score)] = score

    best = np.zeros(len(logits), np.int32)
    label = (last_score + _where_edge(ends, order, penalty[:labels, labels])).argmax(axis=1)
    for step in steps[::-1]:
        words, label_here = first[: going[step]] + step, label[: going[step]]
        best[words] = label_here
        if step:
            label[: going[step]] = came_from[words, label_here]
    return best


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


def document_edges(words: int, starts: Ints) -> NDArray[np.bool_]:
    """Whether a document begins at each word: (words,); `starts` as `find_spans` takes them."""
    edge = np.zeros(words + 1, np.bool_)
    edge[starts] = True
    return edge[:-1]


def previous_labels(label_ids: Ints, edge: NDArray[np.bool_], scheme: Scheme) -> Ints:
    """The label before each word, with the table row of the edge where a document begins."""
    previous = np.empty_like(label_ids)
    previous[1:] = label_ids[:-1]
    previous[edge] = len(scheme.labels)
    return previous


def _where_edge(
    edges: NDArray[np.bool_] | None, order: NDArray[np.int64], penalty: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A row of penalties for each run that touches its document's edge, zeros for the others."""
    touches = np.ones(len(order), np.bool_) if edges is None else edges[order]
    return np.where(touches[:, None], penalty, 0.0)
