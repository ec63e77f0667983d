"""Ragged rows in flat arrays: the one piece of index arithmetic that the engine repeats."""

from collections.abc import Collection, Sized

import numpy as np
from numpy.typing import NDArray

from .types import Ints


def offsets(lengths: NDArray[np.integer]) -> Ints:
    """Where each of the rows begins in their concatenation, and its end: (rows + 1,)."""
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    return ends


def begins_of(rows: Collection[Sized]) -> Ints:
    """`offsets` of the rows' lengths."""
    return offsets(np.fromiter(map(len, rows), np.int64, len(rows)))


def ragged_range(first: NDArray[np.integer], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """`first[r], first[r] + 1, ...` with `lengths[r]` numbers a row, row after row."""
    begin = offsets(lengths)
    shift = np.repeat(first.astype(np.int64) - begin[:-1], lengths)
    return shift + np.arange(begin[-1])
