"""Long documents into overlapping windows, at word boundaries."""

import numpy as np

from ..types import Ints


def cut_windows(doc_words: Ints, word_subwords: Ints, room: int, overlap: int) -> Ints:
    """Cuts documents into windows of at most `room` subwords, at word boundaries.

    Neighbouring windows share at least `overlap` subwords where words allow it; a shared word is
    labelled by the window in which it has more context.

    Returns (windows, 4): first word, end word, first and end of the words the window labels.
    """
    first, end = doc_words[:-1], doc_words[1:]
    subwords = word_subwords[end] - word_subwords[first]
    windows = np.stack([first, end, first, end], axis=1)
    long = np.flatnonzero(subwords > room)
    if not len(long):
        return windows[subwords > 0]
    pieces = [
        _windows_of_document(int(first[doc]), int(end[doc]), word_subwords, room, overlap)
        for doc in long
    ]
    short = windows[(subwords > 0) & (subwords <= room)]
    every = np.concatenate([short, *pieces])
    return every[np.argsort(every[:, 2], kind="stable")]


def _windows_of_document(first: int, end: int, begin: Ints, room: int, overlap: int) -> Ints:
    bounds = []
    start = first
    while True:
        stop = int(np.searchsorted(begin, begin[start] + room, side="right")) - 1
        bounds.append((start, min(stop, end)))
        if stop >= end:
            break
        shared = int(np.searchsorted(begin, begin[stop] - overlap, side="right")) - 1
        shared = max(shared, start)
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
