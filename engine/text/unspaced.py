"""Runs of scripts that part no words: there each subword is a word of its own."""

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..types import Ints
from .subwords import whole_characters
from .words import Places

_LONGEST = 4000  # characters that are tokenized as one, more than a model takes at once
_AT_ONCE = 256  # pieces of runs, which bounds the memory


def cut_runs(
    tokenizer: Tokenizer, unknown_id: int, text: str, first: Places, end: Places
) -> tuple[Places, Places, Ints, Ints, Places]:
    """Cuts runs of a text, tokenized as a whole, into words of one subword.

    first, end: (runs,)
    Returns begin and end of the words, ids of their subwords, where each word's begin (words + 1,),
    and the subword that is labelled for each.
    """
    counts = -(-(end - first) // _LONGEST)
    begin = np.repeat(first, counts) + _LONGEST * ragged_range(np.zeros_like(counts), counts)
    pieces = np.column_stack([begin, np.minimum(begin + _LONGEST, np.repeat(end, counts))])
    ids: list[NDArray[np.int32]] = []
    spans: list[Places] = []
    for at in range(0, len(pieces), _AT_ONCE):
        bounds = pieces[at : at + _AT_ONCE].tolist()
        encodings = tokenizer.encode_batch(
            [[whole_characters(text[a:b])] for a, b in bounds],
            is_pretokenized=True,
            add_special_tokens=False,
        )
        for encoding, (a, b) in zip(encodings, bounds, strict=True):
            ids.append(np.array(encoding.ids or [unknown_id], np.int32))
            spans.append(np.array(encoding.offsets or [(0, b - a)], np.int64) + a)
    blanks = [tokenizer.token_to_id(sign) for sign in "▁Ġ"]  # a space that stands before a word
    flat = np.concatenate(ids)
    blank = np.isin(flat, [number for number in blanks if number is not None])
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    start, stop, begin, heads = _one_each(np.concatenate(spans), blank, lengths)
    return start, stop, flat, begin, heads


def _one_each(
    spans: Places, blank: NDArray[np.bool_], lengths: Places
) -> tuple[Places, Places, Ints, Places]:
    """A word for each subword that adds characters to those before it.

    One that adds none, such as the rest of a character's bytes, goes with the word before; a blank
    goes with the word after, whose label it does not take. A character that subwords share is the
    first one's.

    spans: (subwords, 2) begin and end in the text; blank: (subwords,); lengths: (runs,)

    >>> spans = np.array([(0, 1), (0, 2), (1, 2), (1, 3), (3, 4), (3, 4)])
    >>> blank = np.array([True, False, False, False, True, False])
    >>> first, end, subwords, heads = _one_each(spans, blank, np.array([6]))
    >>> first.tolist(), end.tolist()
    ([0, 2, 3], [2, 3, 4])
    >>> subwords.tolist(), heads.tolist()
    ([0, 3, 4, 6], [1, 3, 5])
    """
    first, end = spans.T
    covered = np.append(0, np.maximum.accumulate(np.where(blank, 0, end))[:-1])
    opens = ~blank & (end > covered)
    run_first = offsets(lengths)[:-1]
    opens[run_first[~np.logical_or.reduceat(opens, run_first)]] = True  # no run goes without a word
    words = np.append(0, np.cumsum(opens))
    run = np.repeat(np.arange(len(lengths)), lengths)
    run_words = words[offsets(lengths)]
    word = np.clip(words[1:] - 1 + blank, run_words[run], run_words[run + 1] - 1)
    begin = np.searchsorted(np.maximum.accumulate(word), np.arange(words[-1] + 1))
    first = np.maximum(first, covered)[opens]
    return first, np.maximum(end[opens], first + 1), begin.astype(np.int32), np.flatnonzero(opens)
