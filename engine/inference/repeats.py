"""Equal windows of a block: what is labelled once, and who shares it. Pure."""

import numpy as np

from ..arrays import offsets, ragged_range
from ..types import EncodedBlock, Ints


def first_of_equals(encoded: EncodedBlock) -> Ints:
    """The first window of the block that has the same subwords, words and words to label, of each.

    Windows are told apart by a hash and then compared, so that equal means equal.

    Returns (windows,) numbers of windows; a window that is like none before it has its own.
    """
    count = len(encoded.windows)
    own = np.arange(count, dtype=np.int32)
    if count < 2:
        return own
    begin = encoded.word_subwords
    inner = encoded.windows - encoded.windows[:, :1]  # words counted from the window's first
    starts = begin[encoded.windows[:, 0]]
    lengths = begin[encoded.windows[:, 1]] - starts
    marked = encoded.subword_ids.astype(np.uint64) * np.uint64(2)
    marked[begin[:-1]] += np.uint64(1)  # where a word begins
    places = ragged_range(starts, lengths)
    factors = np.random.default_rng(0).integers(1 << 63, size=lengths.max(), dtype=np.uint64)
    row_begin = offsets(lengths)[:-1]
    hashes = np.add.reduceat(
        marked[places] * factors[places - np.repeat(starts, lengths)], row_begin
    )
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    found = first.astype(np.int32)[group]
    later = np.flatnonzero(found != own)
    like = (inner[later] == inner[found[later]]).all(axis=1)
    like &= lengths[later] == lengths[found[later]]
    found[later[~like]] = later[~like]
    later = later[like]
    if len(later):
        mine, others = (
            ragged_range(starts[rows], lengths[later]) for rows in (later, found[later])
        )
        same = np.logical_and.reduceat(marked[mine] == marked[others], offsets(lengths[later])[:-1])
        found[later[~same]] = later[~same]
    return found


def words_to_read(encoded: EncodedBlock, first: Ints) -> Ints:
    """The word whose label each word takes: itself, but in windows that repeat another.

    first: as `first_of_equals` gives it
    Returns (words,) numbers of words.
    """
    words = np.arange(encoded.words, dtype=np.int32)
    later = np.flatnonzero(first != np.arange(len(first)))
    keep_first, keep_end = encoded.windows[later, 2], encoded.windows[later, 3]
    kept = keep_end - keep_first
    words[ragged_range(keep_first, kept)] = ragged_range(encoded.windows[first[later], 2], kept)
    return words
