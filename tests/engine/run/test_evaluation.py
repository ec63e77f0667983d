import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.errors import InputError
from nerx.engine.labels.schemes import Scheme
from nerx.engine.labels.spans import find_spans
from nerx.engine.run.evaluation import gold_labels, spell

IOB1 = Scheme.from_labels("O I-A B-A I-C B-C".split(), "iob1")
IOB2 = Scheme.from_labels("O B-A I-A B-C I-C".split())
IOBES = Scheme.from_labels("O B-A I-A E-A S-A B-C I-C E-C S-C".split())


@given(docs=st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=1, max_size=4))
def test_respelling_keeps_every_span(docs: list[list[int]]) -> None:
    label_ids = np.array([label for doc in docs for label in doc], np.int32)
    doc_words = np.cumsum([0, *map(len, docs)]).astype(np.int32)
    spans = find_spans(label_ids, doc_words, IOB2)
    for scheme in (IOB1, IOB2, IOBES):
        again = find_spans(spell(spans, IOB2, len(label_ids), scheme), doc_words, scheme)
        for field in ("first", "end"):
            np.testing.assert_array_equal(getattr(again, field), getattr(spans, field))
        kinds = [scheme.types[x] for x in again.label]
        assert kinds == [IOB2.types[x] for x in spans.label]


def test_iob1_gold_becomes_iob2() -> None:
    gold = gold_labels([["I-A", "B-A", "O"], ["I-A", "I-A", "I-C"]], IOB2)
    assert [IOB2.labels[x] for x in gold] == ["B-A", "B-A", "O", "B-A", "I-A", "B-C"]


def test_a_type_the_model_does_not_know_is_named() -> None:
    with pytest.raises(InputError, match="type Z"):
        gold_labels([["B-Z", "O"]], IOB2)


def test_words_outside_all_spans_need_a_label() -> None:
    with pytest.raises(InputError, match="outside"):
        gold_labels([["B", "O"]], Scheme.from_labels(["B", "I"]))
