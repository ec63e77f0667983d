"""Blocks in, finished blocks out: in input order, a bounded number in flight.

A thread reads the next block, workers parse and encode the ones before, the backend's streams run
their batches, and workers decode and render what is labelled. A block is answered as soon as its
labels are there, even when the input has gone quiet.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from nerx.engine.errors import BackendError, NerxError
from nerx.engine.labelling import Labeller, PendingBlock
from nerx.engine.types import Block, EncodedBlock, WordLabels
from nerx.engine.work import FinishedBlock
from nerx.engine.workers import Workers

BLOCK_BYTES = 256 << 10  # about 64k subwords of JSONL
_RUNNING = 2  # blocks that the backend has at once, so that it need not wait for the next one

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InputBlock:
    """A block and where it comes from."""

    number: int  # among all blocks of the run
    source_number: int  # of the input among all
    source: str  # its name
    kind: str  # its format
    block: Block


def label_stream(
    blocks: Iterator[InputBlock], workers: Workers, labeller: Labeller
) -> Iterator[tuple[InputBlock, FinishedBlock]]:
    """Labels the blocks of a run in order.

    Raises:
        NerxError: a worker or the model failed; the message names the records.
    """
    opening: deque[tuple[InputBlock, Future[EncodedBlock]]] = deque()
    running: deque[tuple[InputBlock, PendingBlock]] = deque()
    closing: deque[tuple[InputBlock, Future[FinishedBlock]]] = deque()
    with _Ahead(blocks) as ahead:
        coming: Future[InputBlock | None] | None = ahead.next()
        while coming or opening or running or closing:
            full = len(opening) + len(running) + len(closing) > workers.count + _RUNNING
            reading = None if full else coming
            startable = opening[0][1] if opening and len(running) < _RUNNING else None
            last = running[0][1].last if running else None
            ending = closing[0][1] if closing else None
            if not (running and last is None):  # a block without words is labelled at once
                heads: list[Future[Any] | None] = [reading, startable, last, ending]
                wait([future for future in heads if future], None, FIRST_COMPLETED)
            if ending and ending.done():
                item, _ = closing.popleft()
                yield item, _result(ending, item)
            elif running and (last is None or last.done()):
                item, pending = running.popleft()
                labels = _labels(labeller, pending, item)
                closing.append((item, workers.close(item.number, labels)))
            elif startable and startable.done():
                item, _ = opening.popleft()
                running.append((item, labeller.start(_result(startable, item))))
            elif reading and reading.done():
                arrived = reading.result()
                coming = ahead.next() if arrived else None
                if arrived:
                    opened = workers.open(arrived.number, arrived.kind, arrived.block)
                    opening.append((arrived, opened))


def _result(future: Future[T], item: InputBlock) -> T:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise NerxError(
            f"{_place(item)}: a worker process died ({error}); it may have been killed for want of"
            " memory: try fewer --workers"
        ) from error


def _labels(labeller: Labeller, pending: PendingBlock, item: InputBlock) -> WordLabels:
    try:
        return labeller.finish(pending)
    except BackendError as error:
        raise BackendError(f"{_place(item)}: {error}") from error


def _place(item: InputBlock) -> str:
    block = item.block
    last = block.line + max(block.data.count(b"\n", 0, len(block.data) - 1), 0)
    return f"{item.source}, lines {block.line} to {last}"


class _Ahead(Generic[T]):
    """Draws items from an iterator on a thread of its own, one ahead of their use.

    The thread is a daemon, so that one which waits for a quiet pipe does not hold up the exit.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._asked: SimpleQueue[Future[T | None] | None] = SimpleQueue()
        threading.Thread(target=self._draw, name="nerx-read", daemon=True).start()

    def __enter__(self) -> "_Ahead[T]":
        return self

    def __exit__(self, *_: Any) -> None:
        self._asked.put(None)

    def next(self) -> "Future[T | None]":
        """The next item, None after the last, or what the iterator raised."""
        future: Future[T | None] = Future()
        self._asked.put(future)
        return future

    def _draw(self) -> None:
        while future := self._asked.get():
            try:
                future.set_result(next(self._items, None))
            except BaseException as error:
                future.set_exception(error)
