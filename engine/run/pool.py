"""Where blocks are opened and closed: a thread beside the model, or processes of their own.

Where the model is slow, Python has time to spare and a thread will do. Where it is fast (a GPU),
each process opens and closes blocks of its own; only flat arrays and output bytes pass between it
and the process that owns the device.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from ..types import Block, EncodedBlock, WordLabels
from .memory import collect_rarely
from .stages import FinishedBlock, Stages

_here = threading.local()  # holds the stages of this thread or process


class Pool(AbstractContextManager["Pool"]):
    """Opens and closes blocks elsewhere, each block by one worker.

    stages: what a worker does to a block; each process gets a copy by pickling
    processes: how many; 0 for a thread of this process
    """

    def __init__(self, stages: Stages, processes: int = 0) -> None:
        self.processes = 0
        self._stages = stages
        self._children: list[BaseProcess] = []
        self._executors: list[Executor] = []  # those whose turn it is, one after the other
        self._all: list[Executor] = []
        self._at: dict[int, Executor] = {}  # where each open block is
        if processes:
            self.grow(processes)
        else:
            self._executors = self._all = [ThreadPoolExecutor(1, "nerx-work", _start, (stages,))]

    @property
    def count(self) -> int:
        return len(self._executors)

    def grow(self, processes: int) -> None:
        """Gives further blocks to so many processes, instead of to the thread."""
        context = multiprocessing.get_context("spawn")
        strangers = multiprocessing.active_children()
        started = [
            ProcessPoolExecutor(1, context, _start_process, (self._stages,))
            for _ in range(processes)
        ]
        with _signals_held_back():
            for executor in started:
                executor.submit(os.getpid)  # starts the process
        children = multiprocessing.active_children()
        self._children = [child for child in children if child not in strangers]
        self._executors = [*started]
        self._all = [*self._all, *started]
        self.processes = processes

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for executor in self._all:
            executor.shutdown(wait=False, cancel_futures=True)
        if error:  # a process may be at work for long, or stuck; nothing in it is wanted any more
            for process in self._children:
                process.kill()

    def open(self, number: int, kind: str, block: Block) -> Future[EncodedBlock]:
        """Starts `Stages.open` on the worker whose turn it is."""
        self._at[number] = self._executors[number % self.count]
        return self._at[number].submit(_open, number, kind, block)

    def close(self, number: int, labels: WordLabels) -> Future[FinishedBlock]:
        """Starts `Stages.close` on the worker that opened the block."""
        return self._at.pop(number).submit(_close, number, labels)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Keeps SIGINT and SIGTERM from processes started within: the parent decides what they end.

    The parent gets its own afterwards, so that no process is left half started.
    """
    held: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():  # handlers run in no other
        before = {
            number: signal.signal(number, lambda number, _: held.append(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)


def _start(stages: Stages) -> None:
    _here.stages = stages


def _start_process(stages: Stages) -> None:
    os.environ["RAYON_NUM_THREADS"] = "1"  # a worker is one core's work, its tokenizer included
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_rarely()
    _start(stages)


def _end_with_parent() -> None:
    """Ends this process when the parent is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _open(number: int, kind: str, block: Block) -> EncodedBlock:
    stages: Stages = _here.stages
    return stages.open(number, kind, block)


def _close(number: int, labels: WordLabels) -> FinishedBlock:
    stages: Stages = _here.stages
    return stages.close(number, labels)
