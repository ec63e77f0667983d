"""Long documents into windows, between sentences where they end, else overlapping."""

import numpy as np
from numpy.typing import NDArray

from ..types import Ints

Flags = NDArray[np.bool_]


def cut_windows(
    doc_words: Ints, word_subwords: Ints, closing: Flags, room: int, overlap: int
) -> Ints:
    """Cuts documents into windows of at most `room` subwords, at word boundaries.

    A window ends behind the last closing word of its second half, and the next one begins there.
    Where there is none, they share at least `overlap` subwords if words allow it; a shared word is
    labelled by the window in which it has more context.

    closing: (words,): whether a sentence ends with the word, as far as one sees

    Returns (windows, 4): first word, end word, first and end of the words the window labels.

    >>> begin = np.arange(16, dtype=np.int32)  # a document of fifteen words of one subword
    >>> closing = np.arange(15) == 6
    >>> cut_windows(np.array([0, 15], np.int32), begin, closing, 8, 4).tolist()
    [[0, 7, 0, 7], [7, 15, 7, 15]]
    >>> cut_windows(np.array([0, 15], np.int32), begin, closing, 6, 2).tolist()  # none ends a half
    [[0, 6, 0, 5], [4, 10, 5, 9], [8, 14, 9, 13], [12, 15, 13, 15]]
    """
    first, end = doc_words[:-1], doc_words[1:]
    subwords = word_subwords[end] - word_subwords[first]
    windows = np.stack([first, end, first, end], axis=1)
    long = np.flatnonzero(subwords > room)
    if not len(long):
        return windows[subwords > 0]
    pieces = [
        _windows_of_document(int(first[doc]), int(end[doc]), word_subwords, closing, room, overlap)
        for doc in long
    ]
    short = windows[(subwords > 0) & (subwords <= room)]
    every = np.concatenate([short, *pieces])
    return every[np.argsort(every[:, 2], kind="stable")]


def _windows_of_document(
    first: int, end: int, begin: Ints, closing: Flags, room: int, overlap: int
) -> Ints:
    bounds = []
    start = first
    while True:
        stop = int(np.searchsorted(begin, begin[start] + room, side="right")) - 1
        if stop >= end:
            bounds.append((start, end))
            break
        half = int(np.searchsorted(begin, begin[start] + room // 2))
        ends = half + np.flatnonzero(closing[half:stop]) + 1
        if len(ends):
            shared = stop = int(ends[-1])
        else:
            shared = int(np.searchsorted(begin, begin[stop] - overlap, side="right")) - 1
            shared = max(shared, start)
        bounds.append((start, stop))
        # Where the next word is so long that sharing would leave it out again, nothing is shared.
        start = shared if begin[stop + 1] - begin[shared] <= room else stop
    words = np.array(bounds, np.int32)
    # Between two windows the labelling changes in the middle of what they share.
    middle = (begin[words[1:, 0]] + begin[words[:-1, 1]]) // 2
    change = np.searchsorted(begin, middle).astype(np.int32)
    change = np.clip(change, words[1:, 0], words[:-1, 1])
    keep_first = np.append(np.int32(first), change)
    keep_end = np.append(change, np.int32(end))
    return np.column_stack([words, keep_first, keep_end]).astype(np.int32)
