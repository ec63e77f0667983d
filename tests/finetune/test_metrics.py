import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from nerx.engine.labels.schemes import Scheme
from nerx.finetune.align import IGNORED
from nerx.finetune.metrics import as_dict, score_rows
from nerx.finetune.recipes import ENTITY_LABELS, SEGMENTATION_LABELS


def by_seqeval(gold, predicted):
    scores = (precision_score, recall_score, f1_score, accuracy_score)
    names = ("precision", "recall", "f1", "accuracy")
    return {name: score(gold, predicted) for name, score in zip(names, scores, strict=True)}


@pytest.mark.filterwarnings("ignore")  # seqeval warns where a label never occurs
@pytest.mark.parametrize("labels", [ENTITY_LABELS, SEGMENTATION_LABELS], ids=["ner", "words"])
@given(data=st.data())
def test_scores_of_padded_rows_are_those_of_seqeval_on_their_words(labels, data):
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    gold = np.full((len(lengths), 10), IGNORED)
    predicted = np.zeros_like(gold)
    for row, length in enumerate(lengths):
        places = data.draw(st.sets(st.integers(0, 9), min_size=length, max_size=length))
        gold[row, sorted(places)] = data.draw(
            st.lists(st.sampled_from(range(len(labels))), min_size=length, max_size=length)
        )
    predicted[:] = np.reshape(
        data.draw(
            st.lists(st.sampled_from(range(len(labels))), min_size=gold.size, max_size=gold.size)
        ),
        gold.shape,
    )
    scores = score_rows(predicted, gold, range(len(lengths)), Scheme.from_labels(labels))
    expected = by_seqeval(
        *(
            [
                [labels[x] for x in row[mask]]
                for row, mask in zip(rows, gold != IGNORED, strict=True)
            ]
            for rows in (gold, predicted)
        )
    )
    assert as_dict(scores) == pytest.approx(expected)


def test_an_entity_across_two_windows_of_a_sentence_is_one():
    scheme = Scheme.from_labels(ENTITY_LABELS)
    rows = np.array([[IGNORED, 1, IGNORED], [IGNORED, 2, 0]])  # B-PER | I-PER O
    assert score_rows(rows, rows, [0, 0], scheme).total.gold == 1
    assert score_rows(rows, rows, [0, 1], scheme).total.gold == 2
