"""Words to subwords: each distinct word is tokenized once."""

import re

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..types import Ints

_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character; tokenizers take whole ones only


class WordCache(dict[str, int]):
    """Word -> row of a ragged table of subword ids; new words wait until `fill` tokenizes them."""

    def __init__(self, tokenizer: Tokenizer, unknown_id: int, max_subwords: int) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._unknown_id = unknown_id
        self._max_subwords = max_subwords
        self._waiting: list[str] = []
        self._begin = np.zeros(1, np.int32)
        self._ids = np.zeros(0, np.int32)
        self._used = np.zeros(0, np.int32)  # when each word was last asked for
        self._now = 0

    def __missing__(self, word: str) -> int:
        row = self[word] = len(self)
        self._waiting.append(word)
        return row

    def shrink(self, most: int) -> bool:
        """Where there are more than `most` words, keeps half as many, those used last."""
        if len(self) <= most:
            return False
        self.fill()  # nothing waits, unless an error came between
        kept = np.sort(np.argsort(-self._used, kind="stable")[: most // 2])
        self._ids, self._begin = self._table(kept)
        self._used = self._used[kept]
        words = list(self)
        self.clear()
        self.update({words[row]: number for number, row in enumerate(kept.tolist())})
        return True

    def fill(self) -> None:
        """Tokenizes the words that wait, each alone, as training on given words does."""
        if not self._waiting:
            return
        words = [[_SURROGATE.sub("\ufffd", word)] for word in self._waiting]
        encodings = self._tokenizer.encode_batch_fast(
            words, is_pretokenized=True, add_special_tokens=False
        )
        # A word without a subword gets UNK, so that no neighbour takes its place.
        rows = [encoding.ids[: self._max_subwords] or [self._unknown_id] for encoding in encodings]
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        self._begin = np.append(self._begin, self._begin[-1] + np.cumsum(lengths)).astype(np.int32)
        self._ids = np.append(self._ids, np.concatenate(rows)).astype(np.int32)
        self._used = np.append(self._used, np.zeros(len(rows), np.int32))
        self._waiting.clear()

    def subwords(self, rows: NDArray[np.integer]) -> tuple[Ints, Ints]:
        """The subwords of the words in `rows`: flat ids, and where each word's begin."""
        self._now += 1
        self._used[rows] = self._now
        return self._table(rows)

    def _table(self, rows: NDArray[np.integer]) -> tuple[Ints, Ints]:
        first = self._begin[rows]
        lengths = self._begin[rows + 1] - first
        return self._ids[ragged_range(first, lengths)], offsets(lengths)
