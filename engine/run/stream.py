"""Blocks in, finished blocks out: in input order, a bounded number in flight.

A thread reads the next block, workers parse and encode the ones before, the backend's streams run
their batches, and workers decode and render what is labelled. A block is answered as soon as its
labels are there, even when the input has gone quiet.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from ..errors import BackendError, NerxError
from ..inference.labelling import Labeller, PendingBlock
from ..types import Block, EncodedBlock
from .stats import Stopwatch
from .work import FinishedBlock
from .workers import Workers

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


def default_block_bytes(device: str) -> int:
    """Bytes a block: about 64k subwords of text for a CPU, 1M for a GPU."""
    return 256 << 10 if device == "cpu" else 4 << 20


def label_stream(
    blocks: Iterator[InputBlock], workers: Workers, labeller: Labeller, block_bytes: int
) -> Iterator[tuple[InputBlock, FinishedBlock]]:
    """Labels the blocks of a run in order.

    block_bytes: what a block has as a rule; of longer ones, fewer are in flight

    Raises:
        NerxError: a worker or the model failed; the message names the records.
        InputError: the input cannot be read; all blocks before that are labelled first.
    """
    flow = _Flow(workers, labeller, block_bytes)
    unread: NerxError | None = None
    with _Ahead(blocks, labeller.clock) as ahead:
        coming: Future[InputBlock | None] | None = ahead.next()
        while coming or flow.busy:
            reading = None if flow.full else coming
            flow.wait(reading)
            if finished := flow.step():
                yield finished
            elif reading and reading.done():
                try:
                    arrived = reading.result()
                except NerxError as error:
                    arrived, unread = None, error
                coming = ahead.next() if arrived else None
                if arrived:
                    flow.open(arrived)
    if unread:
        raise unread


class _Flow:
    """The blocks in flight: with a worker, with the backend, with a worker again."""

    def __init__(self, workers: Workers, labeller: Labeller, block_bytes: int) -> None:
        self._workers = workers
        self._labeller = labeller
        self._most = workers.count + _RUNNING + 1
        self._most_bytes = self._most * block_bytes
        self._opening: deque[tuple[InputBlock, Future[EncodedBlock]]] = deque()
        self._running: deque[tuple[InputBlock, PendingBlock]] = deque()
        self._closing: deque[tuple[InputBlock, Future[FinishedBlock]]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._opening or self._running or self._closing)

    @property
    def full(self) -> bool:
        held = [item for item, _ in (*self._opening, *self._running, *self._closing)]
        size = sum(len(item.block.data) for item in held)
        return len(held) >= self._most or size >= self._most_bytes

    def wait(self, reading: Future[Any] | None) -> None:
        """Waits until there is something to do: a step, or a block that has been read."""
        heads: list[Future[Any]] = [reading] if reading else []
        if self._opening and len(self._running) < _RUNNING:
            heads.append(self._opening[0][1])
        if self._closing:
            heads.append(self._closing[0][1])
        awaited = "workers" if self._opening or self._closing else "input"
        if self._running:
            awaited, last = "model", self._running[0][1].last
            if last is None:  # a block without words is labelled at once
                return
            heads.append(last)
        with self._labeller.clock.measure(awaited):
            wait(heads, None, FIRST_COMPLETED)

    def open(self, item: InputBlock) -> None:
        """Hands a block to a worker."""
        with _naming(item):
            self._opening.append((item, self._workers.open(item.number, item.kind, item.block)))

    def step(self) -> tuple[InputBlock, FinishedBlock] | None:
        """Takes one block a step further where one is ready; returns it if that was the last."""
        if self._closing and self._closing[0][1].done():
            item, ending = self._closing.popleft()
            with _naming(item):
                return item, ending.result()
        if self._running and _is_done(self._running[0][1].last):
            item, pending = self._running.popleft()
            with _naming(item), self._labeller.clock.measure("label"):
                labels = self._labeller.finish(pending)
            with _naming(item):
                self._closing.append((item, self._workers.close(item.number, labels)))
        elif self._opening and len(self._running) < _RUNNING and self._opening[0][1].done():
            item, opened = self._opening.popleft()
            with _naming(item), self._labeller.clock.measure("batch"):
                self._running.append((item, self._labeller.start(opened.result())))
        return None


def _is_done(future: Future[Any] | None) -> bool:
    return future is None or future.done()


@contextmanager
def _naming(item: InputBlock) -> Iterator[None]:
    """Adds the place of a block's records to what goes wrong with them."""
    block = item.block
    last = block.line + max(block.data.count(b"\n", 0, len(block.data) - 1), 0)
    place = f"{item.source}, lines {block.line} to {last}"
    try:
        yield
    except BrokenExecutor as error:
        raise NerxError(
            f"{place}: a worker died ({error}); it may have been killed for want of memory: try"
            " fewer --workers"
        ) from error
    except BackendError as error:
        raise BackendError(f"{place}: {error}") from error
    except MemoryError as error:
        raise NerxError(f"{place}: there is not enough memory for these records") from error
    except Exception as error:
        raise NerxError(
            f"{place}: {type(error).__name__}: {error}; this is a fault in nerx, please report it"
        ) from error


class _Ahead(Generic[T]):
    """Draws items from an iterator on a thread of its own, one ahead of their use.

    The thread is a daemon, so that one which waits for a quiet pipe does not hold up the exit.
    """

    def __init__(self, items: Iterator[T], clock: Stopwatch) -> None:
        self._items = items
        self._clock = clock
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
                with self._clock.measure("read"):
                    item = next(self._items, None)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(item)
