"""The values that flow through the engine, in the order in which they come to be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(slots=True)
class Record:
    """One input record: its bytes, and the document they hold or the reason why they hold none."""

    raw: bytes  # as read, line ends included
    line: int  # of the first byte, counted from 1
    offset: int  # of the first byte in the decompressed input
    text: str | None = None
    tokens: list[str] | None = None  # given words; then `text` is None
    error: str | None = None


class RecordEnds(Protocol):
    """Knows where records end; each reader of a format of lines does."""

    @property
    def end(self) -> re.Pattern[bytes]:
        """What ends a record, however long it is."""
        ...

    def cut(self, buffer: bytes | bytearray) -> int:
        """The length of the longest head of `buffer` that holds whole records only; 0 if none."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole input records, cut from the decompressed bytes: the unit of all work."""

    data: bytes
    line: int  # of the first byte, counted from 1
    offset: int  # of the first byte in the decompressed input
    too_long: int = 0  # if not zero, `data` is the head of one record of so many bytes
    lines: int = 0  # line ends in the whole of it

    @property
    def end(self) -> int:
        """Offset of the byte after the last one."""
        return self.offset + (self.too_long or len(self.data))


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """The documents of a block as flat arrays; words and subwords count over the whole block."""

    doc_words: Ints  # (docs + 1,): document d has the words doc_words[d]:doc_words[d + 1]
    word_start: Ints  # (words,): code point in the document's text; its number for given tokens
    word_end: Ints  # (words,)
    word_subwords: (
        Ints  # (words + 1,): word w has the subwords word_subwords[w]:word_subwords[w + 1]
    )
    word_heads: Ints  # (words,): the subword that each is labelled by, the first one as a rule
    subword_ids: Ints  # (subwords,): no special tokens, at least one a word
    windows: Ints  # (windows, 4): first word, end word, first and end of the words it labels

    @property
    def words(self) -> int:
        return len(self.word_heads)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a backend runs at once: padded rows, and which of their positions to label.

    Positions count through the flattened (rows, length) grid. With pooling, which only a backend
    that says so can do, each stands for a word's first subword.
    """

    input_ids: NDArray[np.int64]  # (rows, length)
    attention_mask: NDArray[np.int64]  # (rows, length)
    word_index: NDArray[np.int64]  # (positions,): flat positions to label, row by row
    pieces: Ints | None = None  # (positions,): with pooling, subwords of each word
    pooling: str = "first"  # or "mean" or "max" of the probabilities of a word's subwords

    def __str__(self) -> str:
        rows, length = self.input_ids.shape
        return f"{rows} x {length} batch"


@dataclass(frozen=True, slots=True)
class BatchLabels:
    """What a backend returns for the positions of a batch, in their order."""

    label_ids: Ints  # (positions,): arg max
    scores: Floats  # (positions,): its probability
    logits: Callable[[NDArray[np.int64]], Floats]  # (n,) numbers of positions -> (n, labels)


@dataclass(frozen=True, slots=True)
class WordLabels:
    """The labels of all words of a block."""

    label_ids: Ints  # (words,)
    scores: Floats  # (words,): probability of the label
    failed: dict[int, str] = field(default_factory=dict)  # documents the model failed on, and why


@dataclass(frozen=True, slots=True)
class Spans:
    """Labelled runs of words in a block, in order; `label` indexes `Scheme.types`."""

    first: Ints  # (spans,): first word
    end: Ints  # (spans,): word after the last
    label: Ints  # (spans,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledBlock:
    """The records of a block with all that was found in them."""

    records: list[Record]  # none of them refused
    encoded: EncodedBlock
    labels: WordLabels
    spans: Spans
    span_scores: Floats  # (spans,): mean score of the words of each
    names: tuple[str, ...]  # of the label ids
    types: tuple[str, ...]  # of the spans' labels
    segmentation: bool  # whether the spans are words, which leave nothing out
    source: Block | None = None  # that the records were parsed from, where it is known
