"""Words to subwords: each distinct word is tokenized once, and the cache of them is bounded."""

import re
from itertools import islice
from sys import getsizeof
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..types import Ints

_CACHE_BYTES = 16 << 20  # about 90,000 words; past it, half the cache is forgotten
_ROW_BYTES = 120  # a word's place in the dict and in the arrays, beside its characters
_CHARACTERS_A_SUBWORD = 16  # of a word, no more is read for each subword that the model takes
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character; tokenizers take whole ones only


class _Rows(dict[str, int]):
    """Word -> row of the table; a new word gets the next one, a very long one that of its head."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self._longest = longest

    def __missing__(self, word: str) -> int:
        if len(word) > self._longest:
            return self[word[: self._longest]]
        row = self[word] = len(self)
        return row


class WordCache:
    """The subwords of words, kept in a ragged table; threads may share one, which is locked.

    unknown_id: stands for a word that has no subword, so that no neighbour takes its place
    max_subwords: what is kept of a word
    """

    _character_rows: Ints  # code point -> row, -1 where there is none; made when it is needed

    def __init__(self, tokenizer: Tokenizer, unknown_id: int, max_subwords: int) -> None:
        self._tokenizer = tokenizer
        self._unknown_id = unknown_id
        self._max_subwords = max_subwords
        self._lock = Lock()
        self._forget()

    def __reduce__(self) -> tuple[type["WordCache"], tuple[Tokenizer, int, int]]:
        """What is pickled for another process begins with nothing kept."""
        return WordCache, (self._tokenizer, self._unknown_id, self._max_subwords)

    def of_words(self, words: list[str]) -> tuple[Ints, Ints]:
        """The subwords of the words: flat ids, and where each word's begin (words + 1,)."""
        with self._lock:
            self._make_room()
            rows = np.fromiter(map(self._rows.__getitem__, words), np.int64, len(words))
            return self._look_up(rows)

    def of_characters(self, codes: NDArray[np.uint32]) -> tuple[Ints, Ints]:
        """The subwords of words of one character, given as code points."""
        with self._lock:
            self._make_room()
            if not len(self._character_rows):
                self._character_rows = np.full(0x110000, -1, np.int32)
            rows = self._character_rows[codes]
            new = rows < 0
            if new.any():
                for code in np.unique(codes[new]).tolist():
                    self._character_rows[code] = self._rows[chr(code)]
                rows = self._character_rows[codes]
            return self._look_up(rows)

    def _forget(self) -> None:
        self._rows = _Rows(_CHARACTERS_A_SUBWORD * self._max_subwords)
        self._character_rows = np.zeros(0, np.int32)
        self._ids = np.zeros(0, np.int32)
        self._used = np.zeros(0, np.int32)  # when each word was last asked for
        self._now = 0
        self._begin = np.zeros(1, np.int32)
        self._bytes = 0
        self._filled = 0  # rows that the table holds; the others are new

    def _make_room(self) -> None:
        """Where the cache has grown too large, keeps half as much: the words used last."""
        if self._filled != len(self._rows):  # a call was interrupted half-way
            self._forget()
        if self._bytes <= _CACHE_BYTES:
            return
        words = list(self._rows)
        sizes = _ROW_BYTES + 4 * np.diff(self._begin)
        sizes += np.fromiter(map(getsizeof, words), np.int32, len(words))
        latest = np.argsort(-self._used, kind="stable")
        kept = np.sort(latest[np.cumsum(sizes[latest]) <= _CACHE_BYTES // 2])
        rows = _Rows(_CHARACTERS_A_SUBWORD * self._max_subwords)
        rows.update({words[row]: number for number, row in enumerate(kept.tolist())})
        self._ids, self._begin = self._table(kept)
        self._used = self._used[kept]
        self._bytes = int(sizes[kept].sum())
        self._character_rows = np.zeros(0, np.int32)
        self._rows, self._filled = rows, len(rows)

    def _look_up(self, rows: NDArray[np.integer]) -> tuple[Ints, Ints]:
        self._tokenize(len(self._rows) - self._filled)
        self._now += 1
        self._used[rows] = self._now
        return self._table(rows)

    def _tokenize(self, count: int) -> None:
        """Adds the last words to the table, each tokenized alone, as in training on given words."""
        if not count:
            return
        new = list(islice(reversed(self._rows), count))[::-1]
        encodings = self._tokenizer.encode_batch_fast(
            [[whole_characters(word)] for word in new],
            is_pretokenized=True,
            add_special_tokens=False,
        )
        most, unknown = self._max_subwords, [self._unknown_id]
        subwords = [encoding.ids[:most] or unknown for encoding in encodings]
        lengths = np.fromiter(map(len, subwords), np.int32, count)
        total = int(lengths.sum())
        # In place, which copies nothing as a rule: np.append would copy the whole of them.
        self._ids.resize(len(self._ids) + total, refcheck=False)
        self._ids[-total:] = np.concatenate(subwords)
        self._begin.resize(len(self._begin) + count, refcheck=False)
        self._begin[-count:] = self._begin[-count - 1] + np.cumsum(lengths)
        self._used.resize(len(self._used) + count, refcheck=False)
        self._bytes += sum(map(getsizeof, new)) + 4 * total + _ROW_BYTES * count
        self._filled += count

    def _table(self, rows: NDArray[np.integer]) -> tuple[Ints, Ints]:
        first = self._begin[rows]
        lengths = self._begin[rows + 1] - first
        return self._ids[ragged_range(first, lengths)], offsets(lengths)


def whole_characters(text: str) -> str:
    """The text, with U+FFFD for each unpaired surrogate."""
    return _SURROGATE.sub("\ufffd", text)
