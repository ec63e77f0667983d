"""Precision, recall and F1 over spans, as seqeval counts them in its default mode."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import Ints
from .schemes import Scheme
from .spans import find_spans


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of spans, and what follows from them."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        both = self.predicted + self.gold
        return 2 * self.correct / both if both else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Micro-averaged score over all spans, the score of each type, and accuracy over words."""

    total: Score
    by_type: dict[str, Score]
    accuracy: float

    @property
    def precision(self) -> float:
        return self.total.precision

    @property
    def recall(self) -> float:
        return self.total.recall

    @property
    def f1(self) -> float:
        return self.total.f1


def score(gold: Ints, predicted: Ints, doc_words: Ints, scheme: Scheme) -> Scores:
    """Compares two labellings of the same words.

    gold, predicted: (words,) label ids of `scheme`
    doc_words: (docs + 1,) where each document's words begin
    """
    gold_keys, gold_kinds = _keys(gold, doc_words, scheme)
    keys, kinds = _keys(predicted, doc_words, scheme)
    hits = np.isin(keys, gold_keys, assume_unique=True)
    by_type = {
        name: Score(
            correct=int(np.sum(hits & (kinds == number))),
            predicted=int(np.sum(kinds == number)),
            gold=int(np.sum(gold_kinds == number)),
        )
        for number, name in enumerate(scheme.types)
    }
    return Scores(
        total=Score(correct=int(hits.sum()), predicted=len(keys), gold=len(gold_keys)),
        by_type=by_type,
        accuracy=float(np.mean(gold == predicted)) if len(gold) else 0.0,
    )


def _keys(label_ids: Ints, doc_words: Ints, scheme: Scheme) -> tuple[NDArray[np.int64], Ints]:
    """One number for each span, equal only for equal spans, and the spans' types."""
    spans = find_spans(label_ids, doc_words, scheme)
    place = spans.first.astype(np.int64) * (len(label_ids) + 1) + spans.end
    return place * len(scheme.types) + spans.label, spans.label
