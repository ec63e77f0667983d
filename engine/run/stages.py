"""What is done to a block before and after the model: parse and encode, then label and render."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..config import LabelConfig
from ..formats.base import Parser, Writer
from ..labels.schemes import Scheme
from ..labels.spans import label_records
from ..text.encoding import Encoder
from ..types import Block, EncodedBlock, Ints, Record, WordLabels
from .memory import peak_memory_mb


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """What is left of a block in the end."""

    output: bytes
    rejected: list[Record]  # in their order, without their documents
    read: int  # records that were parsed
    records: int  # of these, the ones in the output
    words: int
    types: dict[str, int]  # spans of each
    encode_s: float  # to parse and encode it
    render_s: float  # to decode and render it
    memory_mb: float  # peak of the process that did it


@dataclass(frozen=True, slots=True)
class _OpenBlock:
    block: Block
    writer: Writer
    good: list[Record]
    bad: list[Record]
    encoded: EncodedBlock
    encode_s: float


class Stages:
    """Opens blocks, keeps their records while the model labels them, and closes them.

    formats: the reader and writer for each kind of input
    """

    def __init__(
        self,
        formats: Mapping[str, tuple[Parser, Writer]],
        encoder: Encoder,
        scheme: Scheme,
        config: LabelConfig,
    ) -> None:
        self._formats = formats
        self._encoder = encoder
        self._scheme = scheme
        self._config = config
        self._open: dict[int, _OpenBlock] = {}

    def __reduce__(self) -> tuple[type["Stages"], tuple[Any, ...]]:
        """What is pickled for another process has no block open."""
        return Stages, (self._formats, self._encoder, self._scheme, self._config)

    def open(self, number: int, kind: str, block: Block) -> EncodedBlock:
        """Parses and encodes a block; `number` stands for it until it is closed.

        Returns what the model needs of it: not where words stand in their text.
        """
        began = time.perf_counter()
        reader, writer = self._formats[kind]
        records = reader.parse(block)
        good = [record for record in records if record.error is None]
        bad = [record for record in records if record.error is not None]
        encoded = self._encoder.encode(good)
        seconds = time.perf_counter() - began
        self._open[number] = _OpenBlock(block, writer, good, bad, encoded, seconds)
        nowhere = encoded.word_start[:0]
        return replace(encoded, word_start=nowhere, word_end=nowhere)

    def close(self, number: int, labels: WordLabels) -> FinishedBlock:
        """Decodes and renders an open block; documents that the model failed on are rejected."""
        began = time.perf_counter()
        held = self._open.pop(number)
        good, bad, encoded = held.good, held.bad, held.encoded
        if labels.failed:
            for document, reason in labels.failed.items():
                good[document].error = f"the model failed: {reason}"
            bad = sorted([*bad, *(r for r in good if r.error)], key=lambda record: record.offset)
            good = [record for record in good if record.error is None]
            labels = _without_failed(labels, encoded.doc_words)
            encoded = self._encoder.encode(good)
        block = label_records(good, encoded, labels, self._scheme, self._config.min_score)
        output = held.writer.render(replace(block, source=held.block))
        counts = np.bincount(block.spans.label, minlength=len(block.types))
        return FinishedBlock(
            output=output,
            rejected=[Record(r.raw, r.line, r.offset, error=r.error) for r in bad],
            read=len(held.good) + len(held.bad),
            records=len(good),
            words=encoded.words,
            types=dict(zip(block.types, counts.tolist(), strict=True)),
            encode_s=held.encode_s,
            render_s=time.perf_counter() - began,
            memory_mb=peak_memory_mb(),
        )


def _without_failed(labels: WordLabels, doc_words: Ints) -> WordLabels:
    """The labels of the documents that the model did not fail on."""
    kept = np.ones(len(doc_words) - 1, np.bool_)
    kept[list(labels.failed)] = False
    words = np.repeat(kept, np.diff(doc_words))
    return WordLabels(label_ids=labels.label_ids[words], scores=labels.scores[words])
