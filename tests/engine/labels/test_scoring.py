import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from nerx.engine.labels.schemes import Scheme
from nerx.engine.labels.scoring import score

SCHEMES = [
    Scheme.from_labels("O B-PER I-PER B-LOC I-LOC".split()),
    Scheme.from_labels("O B-X I-X E-X S-X".split()),
    Scheme.from_labels(["B", "I"]),
]


@pytest.mark.filterwarnings("ignore")  # seqeval warns where a label never occurs
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@given(data=st.data())
def test_scores_are_those_of_seqeval(scheme: Scheme, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    label = st.integers(0, len(scheme.labels) - 1)
    total = sum(lengths)
    gold, predicted = (
        np.array(data.draw(st.lists(label, min_size=total, max_size=total)), np.int32)
        for _ in range(2)
    )
    doc_words = np.cumsum([0, *lengths]).astype(np.int32)
    names = [
        [[scheme.labels[x] for x in doc] for doc in np.split(ids, doc_words[1:-1])]
        for ids in (gold, predicted)
    ]
    found = score(gold, predicted, doc_words, scheme)
    assert found.precision == pytest.approx(precision_score(*names, zero_division=0))
    assert found.recall == pytest.approx(recall_score(*names, zero_division=0))
    assert found.f1 == pytest.approx(f1_score(*names, zero_division=0))
    assert found.accuracy == pytest.approx(accuracy_score(*names))
    assert sum(one.gold for one in found.by_type.values()) == found.total.gold


def test_nothing_to_score_is_zero() -> None:
    none = np.zeros(0, np.int32)
    found = score(none, none, np.zeros(1, np.int32), SCHEMES[0])
    assert (found.f1, found.accuracy) == (0.0, 0.0)
