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

from nerx.engine.errors import BackendError, NerxError
from nerx.engine.labelling import Labeller, PendingBlock
from nerx.engine.stats import Stopwatch
from nerx.engine.types import Block, EncodedBlock
from nerx.engine.work import FinishedBlock
from nerx.engine.workers import Workers

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
    blocks: Iterator[InputBlock],
    workers: Workers,
    labeller: Labeller,
    block_bytes: int,
) -> Iterator[tuple[InputBlock, FinishedBlock]]:
    """Labels the blocks of a run in order.

    block_bytes: what a block has as a rule; of longer ones, fewer are in flight

    Raises:
        NerxError: a worker or the model failed; the message names the records.
        InputError: the input cannot be read; all blocks before that are labelled first.
    """
    clock = labeller.clock
    most = workers.count + _RUNNING + 1
    opening: deque[tuple[InputBlock, Future[EncodedBlock]]] = deque()
    running: deque[tuple[InputBlock, PendingBlock]] = deque()
    closing: deque[tuple[InputBlock, Future[FinishedBlock]]] = deque()
    unread: NerxError | None = None
    with _Ahead(blocks, clock) as ahead:
        coming: Future[InputBlock | None] | None = ahead.next()
        while coming or opening or running or closing:
            stages = (*opening, *running, *closing)
            held = sum(len(item.block.data) for item, _ in stages)
            full = len(stages) >= most or held >= most * block_bytes
            reading = None if full else coming
            startable = opening[0][1] if opening and len(running) < _RUNNING else None
            last = running[0][1].last if running else None
            ending = closing[0][1] if closing else None
            if not (running and last is None):  # a block without words is labelled at once
                heads: list[Future[Any] | None] = [reading, startable, last, ending]
                with clock.measure(_awaited(last, opening or closing)):
                    wait([future for future in heads if future], None, FIRST_COMPLETED)
            if ending and ending.done():
                item, _ = closing.popleft()
                with _naming(item):
                    finished = ending.result()
                yield item, finished
            elif running and (last is None or last.done()):
                item, pending = running.popleft()
                with _naming(item), clock.measure("label"):
                    labels = labeller.finish(pending)
                with _naming(item):
                    closing.append((item, workers.close(item.number, labels)))
            elif startable and startable.done():
                item, _ = opening.popleft()
                with _naming(item), clock.measure("batch"):
                    running.append((item, labeller.start(startable.result())))
            elif reading and reading.done():
                try:
                    arrived = reading.result()
                except NerxError as error:
                    arrived, unread = None, error
                coming = ahead.next() if arrived else None
                if arrived:
                    with _naming(arrived):
                        opened = workers.open(arrived.number, arrived.kind, arrived.block)
                    opening.append((arrived, opened))
    if unread:
        raise unread


def _awaited(running: object, with_workers: object) -> str:
    """The slowest thing that a wait is for: the model if it has work, then workers, then input."""
    if running:
        return "model"
    return "workers" if with_workers else "input"


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
