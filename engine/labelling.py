"""Records in, labelled records out: encoding, batches on a backend's streams, decoding."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from nerx.engine.arrays import offsets, ragged_range
from nerx.engine.backends.base import Backend
from nerx.engine.batching import build_batch, plan_batches, window_lengths
from nerx.engine.config import LabelConfig
from nerx.engine.decoding import (
    best_legal,
    find_spans,
    illegal_documents,
    mean_scores,
    pool,
    softmax,
)
from nerx.engine.encoding import Encoder
from nerx.engine.errors import ConfigError
from nerx.engine.formats.base import LabelledBlock
from nerx.engine.schemes import Scheme
from nerx.engine.types import EncodedBlock, Floats, Ints, Labels, Record, Spans, WordLabels

_Done = list[tuple[Ints, Labels]]  # for each batch: the word of every position, and the labels
_Logits = Callable[[Ints], Floats]  # (n,) words of the block -> (n, labels)


@dataclass(frozen=True, slots=True)
class PendingBlock:
    """A block whose batches are with the backend."""

    records: list[Record]
    encoded: EncodedBlock
    batches: list[tuple[Ints, Future[Labels]]]

    @property
    def last(self) -> Future[Labels] | None:
        """The batch that was started last, if there is any."""
        return self.batches[-1][1] if self.batches else None


class Labeller(AbstractContextManager["Labeller"]):
    """Labels blocks of records with one model.

    `submit` encodes a block and hands its batches to the backend's streams, `result` waits for
    them; what a caller does between the two runs beside the model.
    """

    def __init__(
        self, encoder: Encoder, backend: Backend, scheme: Scheme, config: LabelConfig
    ) -> None:
        if config.min_score and scheme.segmentation:
            raise ConfigError("min_score cannot be used in word segmentation: every word counts")
        self.scheme = scheme
        self.backend = backend
        self._encoder = encoder
        self._config = config
        self._pool = ThreadPoolExecutor(backend.streams, thread_name_prefix="nerx-run")

    def __exit__(self, *_: Any) -> None:
        self._pool.shutdown(cancel_futures=True)

    def label(self, blocks: Iterable[list[Record]]) -> Iterator[LabelledBlock]:
        """Labels blocks in order; the next block is encoded while the model is busy with one."""
        blocks = iter(blocks)
        pending = [self.submit(records) for records in islice(blocks, 1)]
        for records in blocks:
            pending.append(self.submit(records))
            yield self.result(pending.pop(0))
        yield from map(self.result, pending)

    def submit(self, records: list[Record]) -> PendingBlock:
        """Encodes records, none of them refused, and starts their batches."""
        encoded = self._encoder.encode(records)
        special = self._encoder.special
        budget = self._config.batch_tokens or self.backend.batch_tokens
        batches = []
        for windows in plan_batches(window_lengths(encoded, special), budget):
            batch, words = build_batch(
                encoded, windows, special, every_subword=self._config.aggregation != "first"
            )
            batches.append((words, self._pool.submit(self.backend.run, batch)))
        return PendingBlock(records, encoded, batches)

    def result(self, pending: PendingBlock) -> LabelledBlock:
        """Waits for a block's batches and decodes them."""
        encoded = pending.encoded
        done = [(words, future.result()) for words, future in pending.batches]
        if self._config.aggregation == "first":
            labels, logits = _labels_of_first_subwords(encoded.words, done)
        else:
            labels, logits = _labels_of_pooled_subwords(encoded, done, self._config.aggregation)
        if self._config.decode == "viterbi":
            _repair(labels, logits, encoded.doc_words, self.scheme)
        spans = find_spans(labels.label_ids, self._breaks(encoded), self.scheme)
        scores = mean_scores(labels.scores, spans)
        if self._config.min_score:
            spans, scores = self._drop_doubtful(labels, spans, scores)
        return LabelledBlock(
            records=pending.records,
            encoded=encoded,
            labels=labels,
            spans=spans,
            span_scores=scores,
            scheme=self.scheme,
        )

    def _breaks(self, encoded: EncodedBlock) -> Ints:
        """The words before which no span goes on: first ones; in segmentation, after a gap too."""
        if not self.scheme.segmentation:
            return encoded.doc_words
        gaps = np.flatnonzero(encoded.word_start[1:] != encoded.word_end[:-1]) + 1
        return np.concatenate([encoded.doc_words, gaps.astype(np.int32)])

    def _drop_doubtful(
        self, labels: WordLabels, spans: Spans, scores: Floats
    ) -> tuple[Spans, Floats]:
        """Removes the spans below the least score, and their labels where there is an O."""
        keep = scores >= self._config.min_score
        if "O" in self.scheme.labels:
            first, end = spans.first[~keep], spans.end[~keep]
            labels.label_ids[ragged_range(first, end - first)] = self.scheme.labels.index("O")
        kept = Spans(first=spans.first[keep], end=spans.end[keep], label=spans.label[keep])
        return kept, scores[keep]


def _labels_of_first_subwords(words: int, done: _Done) -> tuple[WordLabels, _Logits]:
    label_ids = np.zeros(words, np.int32)
    scores = np.zeros(words, np.float32)
    source = np.zeros((words, 2), np.int64)  # the batch of a word, and its position there
    for number, (places, labels) in enumerate(done):
        label_ids[places] = labels.label_ids
        scores[places] = labels.scores
        source[places, 0] = number
        source[places, 1] = np.arange(len(places))

    def logits(wanted: Ints) -> Floats:
        batch, position = source[wanted].T
        order = np.argsort(batch, kind="stable")
        numbers, begin = np.unique(batch[order], return_index=True)
        groups = np.split(position[order], begin[1:])
        rows = [done[k][1].logits(group) for k, group in zip(numbers, groups, strict=True)]
        fetched: Floats = np.concatenate(rows)[np.argsort(order)]
        return fetched

    return WordLabels(label_ids=label_ids, scores=scores), logits


def _labels_of_pooled_subwords(
    encoded: EncodedBlock, done: _Done, how: str
) -> tuple[WordLabels, _Logits]:
    pooled = []
    words = []
    for places, labels in done:
        probabilities = softmax(labels.logits(np.arange(len(places))))
        first = np.flatnonzero(np.diff(places, prepend=-1))
        words.append(places[first])
        pooled.append(pool(probabilities, np.diff(first, append=len(places)), how))
    if not words:
        empty = WordLabels(label_ids=np.zeros(0, np.int32), scores=np.zeros(0, np.float32))
        return empty, lambda wanted: np.zeros((0, 0), np.float32)
    table = np.concatenate(pooled)[np.argsort(np.concatenate(words))]
    labels_of_words = WordLabels(
        label_ids=table.argmax(axis=1).astype(np.int32), scores=table.max(axis=1)
    )
    return labels_of_words, lambda wanted: np.log(table[wanted] + np.float32(1e-30))


def _repair(labels: WordLabels, logits: _Logits, doc_words: Ints, scheme: Scheme) -> None:
    """Gives documents with an illegal label sequence their best legal one, in place."""
    docs = illegal_documents(labels.label_ids, doc_words, scheme)
    if not len(docs):
        return
    lengths = doc_words[docs + 1] - doc_words[docs]
    words = ragged_range(doc_words[docs], lengths).astype(np.int32)
    rows = logits(words)
    best = best_legal(rows, offsets(lengths), scheme)
    labels.label_ids[words] = best
    labels.scores[words] = softmax(rows)[np.arange(len(words)), best]
