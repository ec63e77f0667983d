"""Blocks in, labelled blocks out: in input order, a bounded number in flight.

Three things go on at once: a thread reads and parses the next block, the backend's streams run the
batches of the blocks before it, and the caller's thread encodes, decodes, renders and writes. A
block is answered as soon as its labels are there, even when the input has gone quiet.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from nerx.engine.errors import InputError
from nerx.engine.formats.base import LabelledBlock, Reader
from nerx.engine.labelling import Labeller, PendingBlock
from nerx.engine.types import Block, Counts, Record

BLOCK_BYTES = 256 << 10  # about 64k subwords of JSONL
_IN_FLIGHT = 2

T = TypeVar("T")


def label_stream(
    blocks: Iterable[Block],
    reader: Reader,
    labeller: Labeller,
    reject: Callable[[Record], None],
) -> Iterator[tuple[Block, LabelledBlock]]:
    """Labels the blocks of an input in order.

    reject: is called for every bad record, in order; what it raises ends the run.
    """
    pending: deque[tuple[Block, PendingBlock]] = deque()
    parsed = ((block, reader.parse(block)) for block in blocks)
    with _Ahead(parsed) as ahead:
        coming = ahead.next()
        while True:
            if pending:
                if last := pending[0][1].last:
                    running: list[Future[Any]] = [coming, last]
                    wait(running, return_when=FIRST_COMPLETED)
                if not coming.done() or len(pending) == _IN_FLIGHT:
                    block, work = pending.popleft()
                    yield block, labeller.result(work)
                    continue
            arrived = coming.result()
            if arrived is None:
                break
            coming = ahead.next()
            block, records = arrived
            for record in records:
                if record.error is not None:
                    reject(record)
            good = [record for record in records if record.error is None]
            pending.append((block, labeller.submit(good)))
    for block, work in pending:
        yield block, labeller.result(work)


def refuse(source: str, record: Record) -> InputError:
    """The error for a bad record."""
    return InputError(f"{source}:{record.line}: {record.error}")


def count(counts: Counts, block: LabelledBlock) -> None:
    """Adds what a block holds to the counts of a run."""
    counts.records += len(block.records)
    counts.words += block.encoded.words
    counts.spans += len(block.spans.first)


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
