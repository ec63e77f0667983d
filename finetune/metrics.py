"""Scores of a token classifier's rows: from the Trainer's arrays to `engine/labels/scoring.py`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine.labels.schemes import Scheme
from ..engine.labels.scoring import Scores, score
from .align import IGNORED


def score_rows(
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    sentence_of_row: Sequence[int],
    scheme: Scheme,
) -> Scores:
    """Scores the labelled positions of all rows, the windows of one sentence taken together.

    predicted, labels: (rows, subwords); labels are -100 where there is none
    sentence_of_row: (rows,) the sentence that each row is a window of; rows may come in any order
    of sentences, but the windows of one sentence must be neighbours
    """
    labelled = labels != IGNORED
    words_of_row = labelled.sum(axis=1)
    opens = np.diff(np.asarray(sentence_of_row), prepend=-1) != 0
    row_starts = np.cumsum(words_of_row) - words_of_row
    doc_words = np.append(row_starts[opens], words_of_row.sum())
    return score(labels[labelled], predicted[labelled], doc_words, scheme)


def as_dict(scores: Scores) -> dict[str, float]:
    """The four figures of a model card, as fractions of one."""
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "accuracy": scores.accuracy,
    }
