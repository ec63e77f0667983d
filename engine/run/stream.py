"""Blocks in, finished blocks out: in input order, a bounded number in flight.

A thread reads the next block, workers parse and encode the ones before, the backend's streams run
their batches, and workers decode and render what is labelled. A block is answered as soon as its
labels are there, even when the input has gone quiet.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from ..errors import BackendError, NerxError
from ..formats.registry import TABLES
from ..inference.labeller import Labeller, PendingBlock
from ..types import Block, EncodedBlock
from .pool import Pool
from .stages import FinishedBlock
from .stats import Stats, Stopwatch

_RUNNING = 2  # blocks that the backend has at once, so that it need not wait for the next one


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
    blocks: Iterator[InputBlock], pool: Pool, labeller: Labeller, block_bytes: int, stats: Stats
) -> Iterator[tuple[InputBlock, FinishedBlock]]:
    """Labels the blocks of a run in order.

    block_bytes: what a block has as a rule; of longer ones, fewer are in flight
    stats: of the run, to which this adds

    Raises:
        NerxError: a worker or the model failed; the message names the records.
        InputError: the input cannot be read; all blocks before that are labelled first.
    """
    flow = _Flow(pool, labeller, block_bytes, stats)
    with _Ahead(blocks, stats.clock) as ahead:
        while ahead.coming or flow.busy:
            flow.wait(ahead)
            if ahead.ready and not flow.full and (item := ahead.read()):
                flow.open(item)  # a worker parses and encodes it
            flow.run()  # the backend labels its batches
            flow.close()  # a worker decodes and renders it
            yield from flow.finished()  # in input order, to be written
    if ahead.error:
        raise ahead.error


class _Flow:
    """The blocks in flight: with a worker, with the backend, with a worker again."""

    def __init__(self, pool: Pool, labeller: Labeller, block_bytes: int, stats: Stats) -> None:
        self._pool = pool
        self._labeller = labeller
        self._stats = stats
        self._block_bytes = block_bytes
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
        most = self._pool.count + _RUNNING + 1
        return len(held) >= most or size >= most * self._block_bytes

    def wait(self, ahead: "_Ahead") -> None:
        """Waits until there is something to do: a step, or a block that has been read."""
        heads: list[Future[Any]] = [ahead.coming] if ahead.coming and not self.full else []
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
        with self._stats.clock.measure(awaited):
            wait(heads, None, FIRST_COMPLETED)

    def open(self, item: InputBlock) -> None:
        """Hands a block to a worker."""
        with _naming(item):
            self._opening.append((item, self._pool.open(item.number, item.kind, item.block)))

    def run(self) -> None:
        """Hands what is encoded to the backend, so that it always has the next block as well."""
        while self._opening and len(self._running) < _RUNNING and self._opening[0][1].done():
            item, opened = self._opening.popleft()
            with _naming(item), self._stats.clock.measure("batch"):
                pending = self._labeller.start(opened.result())
            self._running.append((item, pending))

    def close(self) -> None:
        """Hands what is labelled back to the worker that holds its records."""
        while self._running and _is_done(self._running[0][1].last):
            item, pending = self._running.popleft()
            with _naming(item), self._stats.clock.measure("label"):
                labels = self._labeller.finish(pending)
            self._stats.count_model(pending)
            with _naming(item):
                self._closing.append((item, self._pool.close(item.number, labels)))

    def finished(self) -> Iterator[tuple[InputBlock, FinishedBlock]]:
        while self._closing and self._closing[0][1].done():
            item, ending = self._closing.popleft()
            with _naming(item):
                finished = ending.result()
            self._stats.count_worker(finished)
            yield item, finished


def _is_done(future: Future[Any] | None) -> bool:
    return future is None or future.done()


@contextmanager
def _naming(item: InputBlock) -> Iterator[None]:
    """Adds the place of a block's records to what goes wrong with them."""
    block = item.block
    table = item.kind in TABLES
    ended = table or block.data.endswith(b"\n")
    last = block.line + max(block.lines - ended, 0)
    place = f"{item.source}, {'rows' if table else 'lines'} {block.line} to {last}"
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


class _Ahead(AbstractContextManager["_Ahead"]):
    """Draws blocks from an iterator on a thread of its own, one ahead of their use.

    The thread is a daemon, so that one which waits for a quiet pipe does not hold up the exit.
    """

    def __init__(self, blocks: Iterator[InputBlock], clock: Stopwatch) -> None:
        self.error: NerxError | None = None  # what ended the input early
        self._blocks = blocks
        self._clock = clock
        self._asked: SimpleQueue[Future[InputBlock | None] | None] = SimpleQueue()
        threading.Thread(target=self._draw, name="nerx-read", daemon=True).start()
        self.coming: Future[InputBlock | None] | None = self._ask()  # None once all are read

    def __exit__(self, *_: Any) -> None:
        self._asked.put(None)

    @property
    def ready(self) -> bool:
        return self.coming is not None and self.coming.done()

    def read(self) -> InputBlock | None:
        """The block that is ready; None if there was none left, or it could not be read."""
        assert self.coming is not None
        block = None
        try:
            block = self.coming.result()
        except NerxError as error:
            self.error = error
        self.coming = self._ask() if block else None
        return block

    def _ask(self) -> Future[InputBlock | None]:
        future: Future[InputBlock | None] = Future()
        self._asked.put(future)
        return future

    def _draw(self) -> None:
        while future := self._asked.get():
            try:
                with self._clock.measure("read"):
                    block = next(self._blocks, None)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(block)
