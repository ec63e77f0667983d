"""Documents to flat arrays of words and subwords, and the windows that the model takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from tokenizers import Tokenizer

from ..arrays import offsets, ragged_range
from ..errors import BundleError
from ..types import EncodedBlock, Ints, Record
from .subwords import WordCache
from .unspaced import cut_runs
from .windows import cut_windows
from .words import Places, characters, code_points, cut_words

ACRONYM = 3  # words of a text whose capitals may well be its own
CLOSING = ".!?…。！？؟۔।"  # signs that end a sentence where they are words of their own


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids that the model wants around every window, and the one that fills up rows."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    unknown: int


@dataclass(frozen=True, slots=True)
class _Words:
    """Some words of a block's documents, with their subwords."""

    docs: Places  # (words,): number of the record
    start: Places  # (words,)
    end: Places  # (words,)
    ids: Ints  # (subwords,)
    begin: Ints  # (words + 1,): word w has the subwords begin[w]:begin[w + 1]
    lead: Ints  # (words,): subwords before the one that is labelled


class Encoder:
    """Turns records into an EncodedBlock.

    unit: "words" cuts raw text by the rule in `nerx.engine.text.words`, and where a script parts no
        words, makes one of each subword; "characters" takes each character that is not white space.
    max_length: subwords that the model takes at once, special tokens included.
    overlap: subwords that neighbouring windows of a long document share, at least; half a window
        at most.
    title_case: texts in capitals alone, of more words than an acronym or a table's head has, are
        read in title case; offsets are those of the text.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        unit: str,
        max_length: int,
        overlap: int,
        pad_id: int,
        title_case: bool = False,
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.special = special_tokens(tokenizer, pad_id)
        self.room = max_length - len(self.special.before) - len(self.special.after)
        self._unit = unit
        self._tokenizer = tokenizer
        self._title_case = title_case
        self._overlap = min(overlap, self.room // 2)
        self._cache = WordCache(tokenizer, self.special.unknown, self.room)
        ids, begin = self._cache.of_words([*CLOSING])
        unknown = np.logical_or.reduceat(ids == self.special.unknown, begin[:-1])
        self._closing = _outer_subwords(ids, begin)[~unknown]

    def encode(self, records: Sequence[Record]) -> EncodedBlock:
        """Encodes the records of a block, none of which is refused; threads may do so at once."""
        texts = [number for number, record in enumerate(records) if record.text is not None]
        given = [number for number, record in enumerate(records) if record.text is None]
        words = self._words_of_texts(records, texts)
        if given:
            words = _in_order(words, self._words_of_tokens(records, given))
        doc_words = np.searchsorted(words.docs, np.arange(len(records) + 1)).astype(np.int32)
        closing = np.isin(_outer_subwords(words.ids, words.begin), self._closing)
        return EncodedBlock(
            doc_words=doc_words,
            word_start=words.start.astype(np.int32),
            word_end=words.end.astype(np.int32),
            word_subwords=words.begin,
            word_heads=words.begin[:-1] + words.lead,
            subword_ids=words.ids,
            windows=cut_windows(doc_words, words.begin, closing, self.room, self._overlap),
        )

    def _words_of_texts(self, records: Sequence[Record], numbers: list[int]) -> _Words:
        """The words of the texts, cut all at once."""
        texts = [self._as_read(records[number].text or "") for number in numbers]
        text_begin = offsets(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        joined = "\n".join(texts)
        cut = self._cut_characters if self._unit == "characters" else self._cut_words
        words = cut(joined)
        place = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(words.start, text_begin)))
        docs = np.array(numbers, np.int64)[place]
        start, end = words.start - text_begin[place], words.end - text_begin[place]
        return replace(words, docs=docs, start=start, end=end)

    def _as_read(self, text: str) -> str:
        if self._title_case and text.isupper() and len(text.split()) > ACRONYM:
            titled = text.title()
            if len(titled) == len(text):  # a few letters become two
                return titled
        return text

    def _cut_characters(self, text: str) -> _Words:
        codes = code_points(text)
        first = characters(codes)
        return _words(first, first + 1, *self._cache.of_characters(codes[first]))

    def _cut_words(self, text: str) -> _Words:
        first, end, runs = cut_words(text)
        strings = _strings(text, first, end)
        if len(runs):
            units = cut_runs(self._tokenizer, self.special.unknown, text, first[runs], end[runs])
            others = np.ones(len(first), np.bool_)
            others[runs] = False
            first, end, strings = first[others], end[others], list(compress(strings, others))
        words = _words(first, end, *self._cache.of_words(strings))
        return _in_order(words, _words(*units)) if len(runs) else words

    def _words_of_tokens(self, records: Sequence[Record], numbers: list[int]) -> _Words:
        tokens = [records[number].tokens or [] for number in numbers]
        if self._title_case:
            tokens = [
                [*map(str.title, row)] if len(row) > ACRONYM and " ".join(row).isupper() else row
                for row in tokens
            ]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        ids, begin = self._cache.of_words([token for row in tokens for token in row])
        start = ragged_range(np.zeros_like(lengths), lengths)
        docs = np.repeat(np.array(numbers, np.int64), lengths)
        return replace(_words(start, start + 1, ids, begin), docs=docs)


def _outer_subwords(ids: Ints, begin: Ints) -> Places:
    """A word's first and last subword and their count as one number: enough to tell signs by."""
    first, count, last = ids[begin[:-1]].astype(np.int64), np.diff(begin), ids[begin[1:] - 1]
    return first << 40 | count.astype(np.int64) << 32 | last


def _words(
    start: Places, end: Places, ids: Ints, begin: Ints, heads: Places | None = None
) -> _Words:
    """Words of one document, each labelled by its first subword unless `heads` says otherwise."""
    lead = np.zeros(len(start), np.int32) if heads is None else heads.astype(np.int32) - begin[:-1]
    return _Words(np.zeros(len(start), np.int64), start, end, ids, begin, lead)


def _strings(text: str, first: Places, end: Places) -> list[str]:
    """The words of a text: what is left when it is parted at white space and where words touch."""
    touching = first[1:][first[1:] == end[:-1]].tolist()
    bounds = zip([0, *touching], [*touching, len(text)], strict=True)
    return " ".join([text[a:b] for a, b in bounds]).split()


def _in_order(some: _Words, others: _Words) -> _Words:
    """The words of both in the order of their documents and places."""
    docs = np.append(some.docs, others.docs)
    start, end = np.append(some.start, others.start), np.append(some.end, others.end)
    order = np.argsort(docs << 32 | start, kind="stable")  # merges what is in order already
    lead = np.append(some.lead, others.lead)[order]
    first = np.append(some.begin[:-1], some.begin[-1] + others.begin[:-1])[order]
    lengths = np.append(np.diff(some.begin), np.diff(others.begin))[order]
    ids = np.append(some.ids, others.ids)[ragged_range(first, lengths)]
    return _Words(docs[order], start[order], end[order], ids, offsets(lengths), lead)


def special_tokens(tokenizer: Tokenizer, pad_id: int) -> SpecialTokens:
    """Reads off a sample what the tokenizer's post-processor puts around a sequence."""
    whole = tokenizer.encode(["a"], is_pretokenized=True)
    inner = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
    if not inner:
        raise BundleError("the tokenizer finds no subword in the letter 'a'; it cannot be used")
    candidates = [getattr(tokenizer.model, "unk_token", None), "[UNK]", "<unk>"]
    ids = [tokenizer.token_to_id(name) for name in candidates if name]
    return SpecialTokens(
        before=tuple(whole.ids[: inner[0]]),
        after=tuple(whole.ids[inner[-1] + 1 :]),
        pad=pad_id,
        unknown=next((number for number in ids if number is not None), pad_id),
    )
