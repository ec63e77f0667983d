"""SIGINT and SIGTERM: end at the next finished block, or soon if there is none."""

import os
import signal
import threading
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LAST_S = 1.0  # for what is left to do after a KeyboardInterrupt
_EXIT_CODE = 130


class Interrupts(AbstractContextManager["Interrupts"]):
    """Catches both signals, so that the block in flight can be finished.

    `asked` tells whether the end was asked for. `patience_s` after that, or at a second signal, a
    KeyboardInterrupt is raised in the main thread; soon after that the process ends, whatever its
    threads are waiting for.
    """

    def __init__(self) -> None:
        self.asked = False
        self.patience_s = 0.0
        self._events: SimpleQueue[float | None] = SimpleQueue()  # safe within a signal handler

    def __enter__(self) -> "Interrupts":
        threading.Thread(target=self._watch, name="nerx-interrupts", daemon=True).start()
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        ending = self.asked and error is not None
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if ending else before)
        self._events.put(0.0 if ending else None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first:
            self._events.put(self.patience_s)
        if not first or not self.patience_s:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        """Waits for each next step: asked (its patience), ending (0), or nothing more (None)."""
        patience_s = self._events.get()
        if patience_s:
            with suppress(Empty):
                patience_s = self._events.get(timeout=patience_s)
            if patience_s:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if patience_s is not None:
            with suppress(Empty):
                while self._events.get(timeout=_LAST_S) is not None:
                    pass
                return
            os._exit(_EXIT_CODE)
