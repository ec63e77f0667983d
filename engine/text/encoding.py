"""Documents to flat subword arrays, each distinct word tokenized once; long ones into windows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..errors import BundleError
from ..types import EncodedBlock, Ints, Record
from .words import characters, code_points, cut_words

_CACHE_WORDS = 40_000  # about 7 MB; past it half the cache is forgotten, unless blocks are larger
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


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids that the model wants around every window, and the one that fills up rows."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    unknown: int


class Encoder:
    """Turns records into an EncodedBlock.

    unit: "words" cuts raw text by the rule in `nerx.engine.text.words`, "characters" takes each
        character that is not white space as a word.
    max_length: subwords that the model takes at once, special tokens included.
    overlap: subwords that neighbouring windows of a long document share, at least; half a window
        at most.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, unit: str, max_length: int, overlap: int, pad_id: int
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.special = _special_tokens(tokenizer, pad_id)
        self.room = max_length - len(self.special.before) - len(self.special.after)
        self._unit = unit
        self._overlap = min(overlap, self.room // 2)
        self._cache = WordCache(tokenizer, self.special.unknown, self.room)
        self._words_before = 0  # of the last block
        self._character_rows = np.full(0x110000 if unit == "characters" else 0, -1, np.int32)

    def encode(self, records: Sequence[Record]) -> EncodedBlock:
        """Encodes the records of a block, none of which is refused."""
        if self._cache.shrink(max(_CACHE_WORDS, self._words_before)):
            self._character_rows.fill(-1)
        texts = [number for number, record in enumerate(records) if record.text is not None]
        given = [number for number, record in enumerate(records) if record.text is None]
        docs, rows, start, end = self._words_of_texts(records, texts)
        if given:
            parts = self._words_of_tokens(records, given)
            docs = np.concatenate([docs, parts[0]])
            order = np.argsort(docs, kind="stable")
            docs = docs[order]
            rows, start, end = (
                np.concatenate(pair)[order]
                for pair in zip((rows, start, end), parts[1:], strict=True)
            )
        self._cache.fill()
        subword_ids, word_subwords = self._cache.subwords(rows)
        self._words_before = len(rows)
        doc_words = np.searchsorted(docs, np.arange(len(records) + 1)).astype(np.int32)
        return EncodedBlock(
            doc_words=doc_words,
            word_start=start.astype(np.int32),
            word_end=end.astype(np.int32),
            word_subwords=word_subwords,
            subword_ids=subword_ids,
            windows=cut_windows(doc_words, word_subwords, self.room, self._overlap),
        )

    def _words_of_texts(
        self, records: Sequence[Record], numbers: list[int]
    ) -> tuple[NDArray[np.int64], ...]:
        """Record number, cache row, start and end of every word of the texts, cut all at once."""
        texts = [records[number].text or "" for number in numbers]
        begin = offsets(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        joined = "\n".join(texts)
        codes = code_points(joined)
        if self._unit == "characters":
            first = characters(codes)
            end = first + 1
            rows = self._rows_of_characters(codes[first])
        else:
            first, end = cut_words(joined, codes)
            words = [joined[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]
            rows = self._rows_of_words(words)
        place = np.searchsorted(begin, first, side="right") - 1
        return np.array(numbers, np.int64)[place], rows, first - begin[place], end - begin[place]

    def _words_of_tokens(
        self, records: Sequence[Record], numbers: list[int]
    ) -> tuple[NDArray[np.int64], ...]:
        tokens = [records[number].tokens or [] for number in numbers]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        rows = self._rows_of_words([token for row in tokens for token in row])
        start = ragged_range(np.zeros_like(lengths), lengths)
        return np.repeat(np.array(numbers, np.int64), lengths), rows, start, start + 1

    def _rows_of_words(self, words: list[str]) -> NDArray[np.int64]:
        return np.fromiter(map(self._cache.__getitem__, words), np.int64, len(words))

    def _rows_of_characters(self, codes: NDArray[np.uint32]) -> NDArray[np.int64]:
        rows = self._character_rows[codes]
        if (rows < 0).any():
            for code in np.unique(codes[rows < 0]).tolist():
                self._character_rows[code] = self._cache[chr(code)]
            rows = self._character_rows[codes]
        return rows.astype(np.int64)


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


def _special_tokens(tokenizer: Tokenizer, pad_id: int) -> SpecialTokens:
    """Reads off a sample what the tokenizer's post-processor puts around a sequence."""
    whole = tokenizer.encode(["a"], is_pretokenized=True)
    inner = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
    if not inner:
        raise BundleError("the tokenizer finds no subword in the letter 'a'; it cannot be used")
    unknown = tokenizer.model.unk_token if hasattr(tokenizer.model, "unk_token") else None
    candidates = [unknown, "[UNK]", "<unk>"]
    ids = [tokenizer.token_to_id(name) for name in candidates if name]
    return SpecialTokens(
        before=tuple(whole.ids[: inner[0]]),
        after=tuple(whole.ids[inner[-1] + 1 :]),
        pad=pad_id,
        unknown=next((number for number in ids if number is not None), pad_id),
    )
