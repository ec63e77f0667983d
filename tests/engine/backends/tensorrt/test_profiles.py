"""No batch is outside the profiles, and cutting one up changes nothing but its size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.backends.tensorrt.profiles import (
    Profile,
    corpus_edges,
    default_edges,
    make_profiles,
    pieces,
)
from nerx.engine.errors import BackendError, ConfigError
from nerx.engine.inference.batching import plan_batches
from nerx.engine.types import Batch


def batch_of(rows: int, length: int, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    ids = random.integers(0, 99, (rows, length))
    wanted = np.flatnonzero(random.random(rows * length) < 0.4)
    return Batch(input_ids=ids, attention_mask=np.ones_like(ids), word_index=wanted)


def assert_inside(profile: Profile, piece: Batch) -> None:
    for name, (smallest, _, largest) in profile.shapes().items():
        shape = getattr(piece, name).shape
        if shape != (0,):  # without positions, nothing runs
            assert all(
                low <= size <= high
                for low, size, high in zip(smallest, shape, largest, strict=True)
            )


@given(
    max_length=st.integers(8, 600),
    batch_tokens=st.integers(600, 5000),
    rows=st.integers(1, 400),
    length=st.integers(1, 600),
    seed=st.integers(0, 99),
)
def test_every_piece_is_inside_its_profile(max_length, batch_tokens, rows, length, seed) -> None:
    profiles = make_profiles(default_edges(max_length), batch_tokens)
    batch = batch_of(rows, min(length, max_length), seed)
    length = batch.input_ids.shape[1]
    cut = list(pieces(batch, profiles))
    for number, piece in cut:
        assert_inside(profiles[number], piece)
        assert len(piece.word_index) <= profiles[number].max_tokens
    np.testing.assert_array_equal(np.concatenate([p.input_ids for _, p in cut]), batch.input_ids)
    # The subwords that positions point at are those of the whole batch, in its order.
    found = [piece.input_ids.reshape(-1)[piece.word_index] for _, piece in cut]
    expected = batch.input_ids.reshape(-1)[batch.word_index]
    np.testing.assert_array_equal(np.concatenate(found), expected)


@given(st.lists(st.integers(3, 512), min_size=1, max_size=300))
def test_planned_batches_are_rarely_cut(lengths) -> None:
    budget = 4096
    profiles = make_profiles(default_edges(512), budget)
    lengths = np.array(lengths, np.int32)
    for windows in plan_batches(lengths, budget):
        rows, length = len(windows), int(lengths[windows].max())
        if length >= 16:  # shorter ones come by the thousand
            assert len(list(pieces(batch_of(rows, length), profiles))) == 1


@pytest.mark.parametrize("max_length", [8, 32, 33, 66, 512])
def test_buckets_touch_and_waste_at_most_one_half(max_length: int) -> None:
    budget = 2048
    profiles = make_profiles(default_edges(max_length), budget)
    assert profiles[0].min_length == 1
    assert profiles[-1].max_length == max_length
    for before, after in pairwise(profiles):
        assert after.min_length == before.max_length + 1
    for profile in profiles:
        assert profile.max_tokens <= 2 * budget + profile.max_length
        for smallest, usual, largest in profile.shapes().values():
            assert all(
                low <= mid <= high for low, mid, high in zip(smallest, usual, largest, strict=True)
            )


def test_rows_that_no_batch_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"batches of 100 subwords .* expected at least 512"):
        make_profiles(default_edges(512), 100)
    profiles = make_profiles(default_edges(64), 128)
    with pytest.raises(BackendError, match=r"a 2 x 65 batch is outside all profiles .* 64 sub"):
        list(pieces(batch_of(2, 65), profiles))


def test_buckets_drawn_from_a_corpus_share_its_subwords() -> None:
    lengths = np.random.default_rng(0).integers(3, 100, 5000)
    edges = corpus_edges(lengths, 512)
    assert edges[-1] == 512
    assert list(edges) == sorted(set(edges))
    bucket = np.searchsorted(edges, lengths)
    shares = np.bincount(bucket, weights=lengths) / lengths.sum()
    assert len(shares) == 4
    assert (abs(shares - 0.25) < 0.08).all()
    assert corpus_edges(np.zeros(0, np.int32), 512) == (512,)
