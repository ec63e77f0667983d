import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from nerx.engine.labels.schemes import Scheme
from nerx.engine.labels.spans import find_spans, mean_scores

from .test_decoding import BARE, IOB2, IOBES, documents, flat


@pytest.mark.parametrize("scheme", [IOB2, IOBES, BARE], ids=lambda scheme: scheme.name)
@given(data=st.data())
def test_spans_are_those_of_seqeval(scheme: Scheme, data: st.DataObject) -> None:
    docs = data.draw(documents(scheme))
    label_ids, doc_words = flat(docs)
    spans = find_spans(label_ids, doc_words, scheme)
    found = [
        (scheme.types[kind] or "_", first, end)
        for kind, first, end in zip(spans.label, spans.first, spans.end, strict=True)
    ]
    expected = [
        (kind, first + begin, last + 1 + begin)
        for doc, begin in zip(docs, doc_words[:-1], strict=True)
        for kind, first, last in get_entities([scheme.labels[label] for label in doc])
    ]
    assert found == expected


def test_plain_tags_merge_where_an_outside_could_part_them() -> None:
    with_o = Scheme.from_labels(["O", "PER", "LOC"])
    spans = find_spans(np.array([1, 1, 2, 0, 2], np.int32), np.array([0, 5]), with_o)
    assert list(zip(spans.first, spans.end, strict=True)) == [(0, 2), (2, 3), (4, 5)]
    without = Scheme.from_labels(["NOUN", "VERB"])
    assert len(find_spans(np.array([0, 0, 1], np.int32), np.array([0, 3]), without).first) == 3


def test_mean_scores() -> None:
    spans = find_spans(np.array([1, 2, 0, 3], np.int32), np.array([0, 4]), IOB2)
    scores = mean_scores(np.array([0.5, 1.0, 0.1, 0.25], np.float32), spans)
    assert scores.tolist() == [0.75, 0.25]
