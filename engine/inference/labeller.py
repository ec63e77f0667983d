"""Encoded blocks in, word labels out: batches on a backend's streams, legal label sequences."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays import offsets, ragged_range
from ..backends.base import Backend
from ..config import LabelConfig
from ..errors import BackendError
from ..labels.decoding import best_legal, illegal_runs, pool, softmax
from ..labels.schemes import Scheme
from ..text.encoding import SpecialTokens
from ..types import Batch, BatchLabels, EncodedBlock, Floats, Ints, WordLabels
from .batching import build_batch, padding_waste, plan_batches, window_lengths
from .repeats import first_of_equals, words_to_read

_REACH = 16  # words to both sides of an illegal label that are decoded anew, at first

_Done = list[tuple[Ints, BatchLabels]]  # for each batch: the word of every position, and the labels
_Logits = Callable[[Ints], Floats]  # (n,) words of the block -> (n, labels)


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """Some windows of a block that are with the backend."""

    windows: Ints
    words: Ints  # (positions,): the word of each position
    labels: Future[BatchLabels]


@dataclass(frozen=True, slots=True)
class PendingBlock:
    """A block whose batches are with the backend."""

    encoded: EncodedBlock
    first: Ints  # (windows,): the window that labels each one, itself or an equal one before it
    batches: list[PendingBatch]
    subwords: int  # that the model gets
    padded_subwords: int  # the places they take in batches
    repeated_subwords: int  # that it does not get, since an equal window is labelled
    run_s: list[float] = field(default_factory=list)  # that each batch took, once it is done

    @property
    def last(self) -> Future[BatchLabels] | None:
        """The batch that was started last, if there is any."""
        return self.batches[-1].labels if self.batches else None


class Labeller(AbstractContextManager["Labeller"]):
    """Labels encoded blocks with one model; it keeps nothing of them, so that runs may share it.

    `start` hands a block's batches to the backend's streams, `finish` waits for them; what the
    caller does between the two runs beside the model.
    """

    def __init__(
        self, backend: Backend, special: SpecialTokens, scheme: Scheme, config: LabelConfig
    ) -> None:
        self.backend = backend
        self._special = special
        self._scheme = scheme
        self._config = config
        self._pools_here = config.aggregation != "first" and not backend.pools
        self._pool = ThreadPoolExecutor(backend.streams, thread_name_prefix="nerx-run")
        self.share_equals = True  # a benchmark that repeats its text to fill its time does not

    def __exit__(self, *_: Any) -> None:
        self._pool.shutdown(cancel_futures=True)

    def label(self, blocks: Iterable[EncodedBlock]) -> Iterator[WordLabels]:
        """Labels blocks in order; the next one is drawn while the model is busy with one."""
        before: PendingBlock | None = None
        for encoded in blocks:
            pending = self.start(encoded)
            if before:
                yield self.finish(before)
            before = pending
        if before:
            yield self.finish(before)

    def start(self, encoded: EncodedBlock) -> PendingBlock:
        """Starts the batches of a block, in which no two windows are equal."""
        budget = self._config.batch_tokens or self.backend.batch_tokens
        lengths = window_lengths(encoded, self._special)
        every = np.arange(len(lengths), dtype=np.int32)
        first = first_of_equals(encoded) if self.share_equals else every
        once = every[first == every]
        packed = self.backend.packs
        plan = plan_batches(lengths[once], budget, packed=packed)
        run_s: list[float] = []
        batches = [self._start(encoded, once[rows], run_s) for rows in plan]
        subwords, padded = padding_waste(lengths[once], plan, packed=packed)
        repeated = int(lengths.sum()) - subwords
        return PendingBlock(encoded, first, batches, subwords, padded, repeated, run_s)

    def _start(self, encoded: EncodedBlock, windows: Ints, run_s: list[float]) -> PendingBatch:
        how: dict[str, Any] = {"pooling": self._config.aggregation}
        if self._pools_here:
            how = {"every_subword": True}
        batch, words = build_batch(encoded, windows, self._special, **how)
        return PendingBatch(windows, words, self._pool.submit(self._run, batch, run_s))

    def _run(self, batch: Batch, run_s: list[float]) -> BatchLabels:
        began = time.perf_counter()
        try:
            return self.backend.run(batch)
        finally:
            run_s.append(time.perf_counter() - began)

    def finish(self, pending: PendingBlock) -> WordLabels:
        """Waits for a block's batches; a batch that fails is tried again window by window.

        Raises:
            BackendError: no window of a batch could be labelled: the fault is not in the data.
        """
        labels, logits = self._collect(pending)
        if self._config.decode == "viterbi":
            return repair(labels, logits, pending.encoded.doc_words, self._scheme)
        return labels

    def logits(self, encoded: EncodedBlock) -> Floats:
        """(words, labels): what the model says of every word of a block.

        Raises:
            BackendError: some document could not be labelled.
        """
        labels, logits = self._collect(self.start(encoded))
        for reason in labels.failed.values():
            raise BackendError(reason)
        return logits(np.arange(encoded.words, dtype=np.int32))

    def _collect(self, pending: PendingBlock) -> tuple[WordLabels, _Logits]:
        encoded = pending.encoded
        done: _Done = []
        failed: dict[int, str] = {}
        for batch in pending.batches:
            try:
                done.append((batch.words, batch.labels.result()))
            except BackendError as error:
                alone, bad = self._one_by_one(pending, batch.windows)
                if not alone and len(batch.windows) > 1:
                    raise error
                done += alone
                failed |= bad
        if self._pools_here:
            labels, logits = _labels_of_pooled_subwords(
                encoded.words, done, len(self._scheme.labels), self._config.aggregation
            )
        else:
            labels, logits = _labels_of_first_subwords(encoded.words, done)
        if pending.repeated_subwords:
            labels, logits = _shared(labels, logits, words_to_read(encoded, pending.first))
        return replace(labels, failed=failed), logits

    def _one_by_one(self, pending: PendingBlock, windows: Ints) -> tuple[_Done, dict[int, str]]:
        """Labels of the windows that can be labelled; number and reason of each other document."""
        encoded = pending.encoded
        done: _Done = []
        failed: dict[int, str] = {}
        for window in windows:
            batch = self._start(encoded, np.array([window], np.int32), pending.run_s)
            try:
                done.append((batch.words, batch.labels.result()))
            except BackendError as error:
                words = encoded.windows[pending.first == window, 0]
                documents = np.searchsorted(encoded.doc_words, words, side="right") - 1
                failed |= dict.fromkeys(documents.tolist(), str(error))
        return done, failed


def _shared(labels: WordLabels, logits: _Logits, source: Ints) -> tuple[WordLabels, _Logits]:
    """The labels of all words where some take those of others: (words,) words to read."""
    taken = replace(labels, label_ids=labels.label_ids[source], scores=labels.scores[source])
    return taken, lambda wanted: logits(source[wanted])


def _labels_of_first_subwords(words: int, done: _Done) -> tuple[WordLabels, _Logits]:
    """Puts the labels of batches back into the order of the block's words.

    Returns the labels, and what fetches the logits of some words, which few ask for: it finds the
    batch and the position of each, asks each batch once, and keeps the order of what was asked.

    >>> def batch(*ids):
    ...     logits = np.array([[number / 2, number] for number in ids], np.float32)
    ...     scores = np.ones(len(ids), np.float32)
    ...     return BatchLabels(np.array(ids, np.int32), scores, lambda places: logits[places])
    >>> done = [(np.array([2, 0]), batch(7, 5)), (np.array([1, 3]), batch(6, 8))]
    >>> labels, logits = _labels_of_first_subwords(4, done)
    >>> labels.label_ids
    array([5, 6, 7, 8], dtype=int32)
    >>> logits(np.array([3, 0, 1]))[:, 1]  # of the second batch, the first, the second again
    array([8., 5., 6.], dtype=float32)
    """
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
    words: int, done: _Done, label_count: int, how: str
) -> tuple[WordLabels, _Logits]:
    table = np.zeros((words, label_count), np.float32)
    for places, labels in done:
        probabilities = softmax(labels.logits(np.arange(len(places))))
        first = np.flatnonzero(np.diff(places, prepend=-1))
        lengths = np.diff(first, append=len(places))
        table[places[first]] = pool(probabilities, lengths, how)
    labels_of_words = WordLabels(
        label_ids=table.argmax(axis=1).astype(np.int32), scores=table.max(axis=1)
    )
    return labels_of_words, lambda wanted: np.log(table[wanted] + np.float32(1e-30))


def repair(labels: WordLabels, logits: _Logits, doc_words: Ints, scheme: Scheme) -> WordLabels:
    """Gives documents with an illegal label sequence their best legal one.

    Only runs of words around what is illegal are decoded. Where the best labels of a run, whatever
    stands around it, meet the arg max at both ends, no other sequence of the document is better;
    where they do not, longer runs are tried.
    """
    reach = _REACH
    while True:
        runs = illegal_runs(labels.label_ids, doc_words, scheme, reach)
        docs = np.searchsorted(doc_words, runs[:, 0], side="right") - 1
        sound = ~np.isin(docs, list(labels.failed))
        runs, docs = runs[sound], docs[sound]
        if not len(runs):
            return labels
        begins, ends = runs[:, 0] == doc_words[docs], runs[:, 1] == doc_words[docs + 1]
        lengths = runs[:, 1] - runs[:, 0]
        bounds, words = offsets(lengths), ragged_range(runs[:, 0], lengths)
        rows = logits(words.astype(np.int32))
        best = best_legal(rows, bounds, scheme, begins, ends)
        same = best == labels.label_ids[words]
        if (same[bounds[:-1]] | begins).all() and (same[bounds[1:] - 1] | ends).all():
            break
        reach *= 8
    label_ids, scores = labels.label_ids.copy(), labels.scores.copy()
    label_ids[words] = best
    changed = words[~same]
    scores[changed] = softmax(rows[~same])[np.arange(len(changed)), best[~same]]
    return replace(labels, label_ids=label_ids, scores=scores)
