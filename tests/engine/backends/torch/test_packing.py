"""Packed batches hold what padded ones hold, less the padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.backends.torch.packing import halves, pack
from nerx.engine.errors import BackendError
from nerx.engine.types import Batch

LENGTHS = st.lists(st.integers(0, 9), max_size=7)


def padded(lengths: list[int]) -> Batch:
    """Rows whose ids tell row and place; every second place is to be labelled."""
    width = max(lengths, default=0)
    mask = (np.arange(width) < np.array(lengths, np.int64).reshape(-1, 1)).astype(np.int64)
    ids = (np.arange(len(lengths))[:, None] * 100 + np.arange(width) + 1) * mask
    return Batch(ids, mask, np.flatnonzero(mask.reshape(-1))[::2])


@given(LENGTHS)
def test_sequences_follow_each_other_without_padding(lengths: list[int]) -> None:
    batch = padded(lengths)
    packed = pack(batch)
    rows = [packed.ids[a:b] for a, b in zip(packed.begin[:-1], packed.begin[1:], strict=True)]
    assert [row.tolist() for row in rows] == [
        [row * 100 + place + 1 for place in range(length)] for row, length in enumerate(lengths)
    ]
    assert packed.positions.tolist() == [place for n in lengths for place in range(n)]
    assert packed.longest == max(lengths, default=0)
    wanted = batch.input_ids.reshape(-1)[batch.word_index]
    np.testing.assert_array_equal(packed.ids[packed.word_rows], wanted)
    assert {array.dtype for array in (packed.ids, packed.begin, packed.word_rows)} == {
        np.dtype(np.int32)
    }


@given(LENGTHS)
def test_halves_together_are_the_whole(lengths: list[int]) -> None:
    packed = pack(padded(lengths))
    parts = halves(packed)
    if parts is None:
        assert len(lengths) < 2
        return
    first, second = parts
    assert min(len(first.begin), len(second.begin)) >= 2, "each half has a sequence"
    np.testing.assert_array_equal(np.append(first.ids, second.ids), packed.ids)
    np.testing.assert_array_equal(np.append(first.positions, second.positions), packed.positions)
    begin = np.append(first.begin, second.begin[1:] + first.begin[-1])
    np.testing.assert_array_equal(begin, packed.begin)
    rows = np.append(first.ids[first.word_rows], second.ids[second.word_rows])
    np.testing.assert_array_equal(rows, packed.ids[packed.word_rows])


def test_a_label_for_padding_is_refused() -> None:
    batch = padded([3, 1])
    with pytest.raises(BackendError, match="is padding"):
        pack(Batch(batch.input_ids, batch.attention_mask, np.array([4])))
