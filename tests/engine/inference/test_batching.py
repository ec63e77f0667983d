from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.inference.batching import build_batch, padding_waste, plan_batches, window_lengths
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import Record

from ..tokenizers_for_tests import wordpiece

TEXTS = st.lists(st.text(alphabet="paris ", max_size=40), min_size=1, max_size=12)


@given(
    lengths=st.lists(st.integers(3, 50), max_size=40).map(lambda x: np.array(x, np.int32)),
    budget=st.integers(1, 200),
)
def test_every_window_is_in_one_batch_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    for windows in batches:
        assert len(windows) == 1 or lengths[windows].max() * len(windows) <= budget
    used, padded = padding_waste(lengths, batches)
    assert used <= padded
    assert padded == sum(lengths[windows].max() * len(windows) for windows in batches)


@given(
    lengths=st.lists(st.integers(3, 50), max_size=40).map(lambda x: np.array(x, np.int32)),
    budget=st.integers(1, 200),
)
def test_batches_without_padding_are_as_full_as_they_can_be(
    lengths: np.ndarray, budget: int
) -> None:
    batches = plan_batches(lengths, budget, packed=True)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    assert all(len(windows) == 1 or lengths[windows].sum() <= budget for windows in batches)
    for windows, later in pairwise(batches):
        assert lengths[windows].sum() + lengths[later[0]] > budget
    assert padding_waste(lengths, batches, packed=True) == (lengths.sum(), lengths.sum())


@given(texts=TEXTS, budget=st.integers(10, 100), every=st.booleans())
def test_batches_hold_each_window_and_point_at_its_words(
    texts: list[str], budget: int, every: bool
) -> None:
    encoder = Encoder(wordpiece(), unit="words", max_length=16, overlap=4, pad_id=0)
    block = encoder.encode([Record(b"", 1, 0, text=text) for text in texts])
    lengths = window_lengths(block, encoder.special)
    labelled = []
    for windows in plan_batches(lengths, budget):
        batch, words = build_batch(block, windows, encoder.special, every_subword=every)
        assert batch.input_ids.shape == batch.attention_mask.shape
        for row, window in enumerate(windows):
            first, end = block.windows[window, :2]
            inner = block.subword_ids[block.word_subwords[first] : block.word_subwords[end]]
            expected = [*encoder.special.before, *inner, *encoder.special.after]
            used = batch.attention_mask[row].astype(bool)
            assert batch.input_ids[row, used].tolist() == expected
            assert (batch.input_ids[row, ~used] == encoder.special.pad).all()
        ids = batch.input_ids.reshape(-1)[batch.word_index]
        if every:
            distinct, first_place = np.unique(words, return_index=True)
            np.testing.assert_array_equal(
                ids[first_place], block.subword_ids[block.word_subwords[distinct]]
            )
            counts = np.bincount(words, minlength=block.words)[distinct]
            np.testing.assert_array_equal(counts, np.diff(block.word_subwords)[distinct])
            labelled += distinct.tolist()
        else:
            np.testing.assert_array_equal(ids, block.subword_ids[block.word_subwords[words]])
            labelled += words.tolist()
    assert sorted(labelled) == list(range(block.words))
