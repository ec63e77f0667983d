"""Equal windows are labelled once, and nobody can tell but by the time it takes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.inference.repeats import first_of_equals
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import Record, WordLabels

from ..fake_backend import FakeBackend
from ..tokenizers_for_tests import wordpiece
from .test_labeller import encode, labeller

FEW = st.lists(
    st.sampled_from(
        "abe",
    )
    | st.just(" "),
    max_size=80,
).map("".join)
CORPUS = st.lists(st.sampled_from(["paris", "in paris lin", "a b", ""]) | FEW, max_size=12)


def label(texts: list[str], *, share: bool, **options: object) -> tuple[WordLabels, int, float]:
    """The labels, the rows that the backend saw, and the share of subwords it was spared."""
    backend = FakeBackend(5)
    with labeller(backend, **options) as engine:
        engine.share_equals = share
        pending = engine.start(encode(texts))
        labels = engine.finish(pending)
    every = pending.subwords + pending.repeated_subwords
    return labels, sum(backend.rows_seen), pending.repeated_subwords / max(every, 1)


@given(texts=CORPUS, decode=st.sampled_from(["argmax", "viterbi"]))
def test_sharing_changes_no_label(texts: list[str], decode: str) -> None:
    (shared, few, spared), (alone, many, nothing) = (
        label(texts, share=share, decode=decode) for share in (True, False)
    )
    np.testing.assert_array_equal(shared.label_ids, alone.label_ids)
    np.testing.assert_allclose(shared.scores, alone.scores, rtol=1e-6)
    assert nothing == 0.0
    assert (spared > 0) == (few < many)


@given(texts=CORPUS)
def test_pooled_labels_are_shared_as_well(texts: list[str]) -> None:
    shared, alone = (label(texts, share=share, aggregation="mean")[0] for share in (True, False))
    np.testing.assert_array_equal(shared.label_ids, alone.label_ids)


@given(texts=CORPUS)
def test_windows_are_equal_if_what_the_model_gets_and_gives_is(texts: list[str]) -> None:
    encoded = encode(texts)
    begin, seen = encoded.word_subwords, {}
    for number, found in enumerate(first_of_equals(encoded).tolist()):
        first, end, keep_first, keep_end = encoded.windows[number].tolist()
        key = (
            encoded.subword_ids[begin[first] : begin[end]].tobytes(),
            (begin[first : end + 1] - begin[first]).tobytes(),
            keep_first - first,
            keep_end - first,
        )
        assert found == seen.setdefault(key, number)


def test_the_same_subwords_in_other_words_are_another_window() -> None:
    encoder = Encoder(wordpiece(), unit="words", max_length=20, overlap=3, pad_id=0)
    rows = [["paris", "in"], ["paris in"], ["paris", "in"]]
    encoded = encoder.encode([Record(b"", 1, 0, tokens=row) for row in rows])
    assert len(set(map(tuple, encoded.subword_ids.reshape(3, -1).tolist()))) == 1
    assert first_of_equals(encoded).tolist() == [0, 1, 0]


def test_every_document_that_repeats_a_bad_one_is_named() -> None:
    poison = wordpiece().token_to_id("n")
    with labeller(FakeBackend(5, poison)) as engine:
        [labels] = engine.label([encode(["paris", "n", "in paris", "n", "paris"])])
    assert sorted(labels.failed) == [1, 3]


def test_a_line_that_stands_there_fifty_times_is_run_once() -> None:
    texts = ["paris in lin"] * 50 + ["in paris"]
    _, rows, spared = label(texts, share=True)
    assert rows == 2
    assert 0.9 < spared < 0.99
