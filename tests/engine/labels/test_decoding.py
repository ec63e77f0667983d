from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.labels.decoding import best_legal, illegal_runs, illegal_words, pool, softmax
from nerx.engine.labels.schemes import Scheme

IOB2 = Scheme.from_labels("O B-PER I-PER B-LOC I-LOC".split())
IOBES = Scheme.from_labels("O B-X I-X E-X S-X".split())
BARE = Scheme.from_labels(["B", "I"])


def documents(scheme: Scheme) -> st.SearchStrategy[list[list[int]]]:
    label = st.integers(0, len(scheme.labels) - 1)
    return st.lists(st.lists(label, max_size=8), min_size=1, max_size=6)


def flat(docs: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    doc_words = np.cumsum([0, *map(len, docs)]).astype(np.int32)
    return np.array([label for doc in docs for label in doc], np.int32), doc_words


def illegal_documents(label_ids: np.ndarray, doc_words: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Numbers of the documents whose labels break a rule of the scheme."""
    bad = np.flatnonzero(illegal_words(label_ids, doc_words, scheme))
    return np.unique(np.searchsorted(doc_words, bad, side="right") - 1)


@pytest.mark.parametrize("scheme", [IOB2, IOBES, BARE], ids=lambda scheme: scheme.name)
@given(data=st.data())
def test_best_legal_is_the_best_of_all_legal_sequences(scheme: Scheme, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    logits = rng.normal(size=(sum(lengths), len(scheme.labels))).astype(np.float32)
    doc_words = np.cumsum([0, *lengths]).astype(np.int32)
    best = best_legal(logits, doc_words, scheme)
    assert not len(illegal_documents(best, doc_words, scheme))
    for begin, length in zip(doc_words, lengths, strict=False):
        rows = logits[begin : begin + length]

        def total(labels: tuple[int, ...], rows: np.ndarray = rows) -> float:
            return float(sum(rows[i, label] for i, label in enumerate(labels)))

        legal = [
            labels
            for labels in product(range(len(scheme.labels)), repeat=length)
            if not len(illegal_documents(np.array(labels, np.int32), np.array([0, length]), scheme))
        ]
        assert total(tuple(best[begin : begin + length])) == pytest.approx(max(map(total, legal)))


def test_legal_arg_max_is_the_viterbi_path() -> None:
    labels = np.array([1, 2, 0, 3, 4, 4], np.int32)
    logits = np.eye(5, dtype=np.float32)[labels] * 3
    assert best_legal(logits, np.array([0, 3, 6]), IOB2).tolist() == labels.tolist()


def test_illegal_documents_are_named_and_empty_ones_pass() -> None:
    label_ids, doc_words = flat([[1, 2], [], [0, 2], [2], [], [1, 4], []])
    assert illegal_documents(label_ids, doc_words, IOB2).tolist() == [2, 3, 5]


def test_pool_gives_probabilities_of_words() -> None:
    rows = softmax(np.array([[0, 1], [2, 0], [3, 3]], np.float32))
    lengths = np.array([2, 1], np.int32)
    np.testing.assert_allclose(pool(rows, lengths, "mean")[0], rows[:2].mean(axis=0), rtol=1e-6)
    largest = rows[:2].max(axis=0)
    np.testing.assert_allclose(pool(rows, lengths, "max")[0], largest / largest.sum(), rtol=1e-6)
    np.testing.assert_allclose(pool(rows, lengths, "max")[1], rows[2], rtol=1e-6)


@pytest.mark.parametrize("scheme", [IOB2, IOBES, BARE], ids=lambda scheme: scheme.name)
@given(data=st.data())
def test_runs_hold_every_broken_rule_and_stay_in_their_documents(
    scheme: Scheme, data: st.DataObject
) -> None:
    label_ids, doc_words = flat(data.draw(documents(scheme)))
    runs = illegal_runs(label_ids, doc_words, scheme, data.draw(st.integers(1, 9)))
    assert (runs[1:, 0] >= runs[:-1, 1]).all()
    docs = np.searchsorted(doc_words, runs[:, 0], side="right") - 1
    assert (runs[:, 1] <= doc_words[docs + 1]).all()
    assert np.unique(docs).tolist() == illegal_documents(label_ids, doc_words, scheme).tolist()
