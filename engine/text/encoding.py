"""Documents to flat arrays of words and subwords, and the windows that the model takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..errors import BundleError
from ..types import EncodedBlock, Record
from .subwords import WordCache
from .windows import cut_windows
from .words import characters, code_points, cut_words

_CACHE_WORDS = 40_000  # about 7 MB; past it half the cache is forgotten, unless blocks are larger


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
