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
    counts: Counts,
    reject: Callable[[Record], None],
) -> Iterator[LabelledBlock]:
    """Labels the blocks of an input in order, and counts what goes in and comes out.

    reject: is called for every bad record, in order; what it raises ends the run.
    """
    pending: deque[PendingBlock] = deque()

    def finish() -> LabelledBlock:
        labelled = labeller.result(pending.popleft())
        counts.records += len(labelled.records)
        counts.words += labelled.encoded.words
        counts.spans += len(labelled.spans.first)
        return labelled

    with _Ahead(map(reader.parse, blocks)) as ahead:
        coming = ahead.next()
        while True:
            if pending:
                if last := pending[0].last:
                    running: list[Future[Any]] = [coming, last]
                    wait(running, return_when=FIRST_COMPLETED)
                if not coming.done() or len(pending) == _IN_FLIGHT:
                    yield finish()
                    continue
            records = coming.result()
            if records is None:
                break
            coming = ahead.next()
            counts.read += len(records)
            for record in records:
                if record.error is not None:
                    counts.rejected += 1
                    reject(record)
            pending.append(labeller.submit([r for r in records if r.error is None]))
    while pending:
        yield finish()


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
