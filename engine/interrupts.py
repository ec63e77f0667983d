"""SIGINT and SIGTERM: end at the next finished block, or soon if there is none."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def graceful(patience_s: float) -> Iterator[Callable[[], bool]]:
    """Catches the first signal, so that the block in flight can be finished.

    Yields whether the end was asked for. After `patience_s`, or at a second signal, a
    KeyboardInterrupt is raised in the main thread.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked or not patience_s:
            raise KeyboardInterrupt
        asked = True
        signal.setitimer(signal.ITIMER_REAL, patience_s)

    def give_up(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    handlers = {signal.SIGINT: ask, signal.SIGTERM: ask, signal.SIGALRM: give_up}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield lambda: asked
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
