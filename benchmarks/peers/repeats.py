"""nerx on a corpus in which three lines in ten have been there before, as in crawled pages."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..driver import Task
from .nerx import NerxDriver, load_model

_SHARE = 0.3
_BACK = 500  # lines, at most, from a line to the one that it repeats


def open_driver(task: Task) -> "RepeatsDriver":
    """Loads a bundle as `nerx` does; equal lines of a block are labelled once."""
    driver = RepeatsDriver(task, load_model(task))
    driver.model.labeller.share_equals = True
    return driver


class RepeatsDriver(NerxDriver):
    """`nerx tag` on the sample's documents with their words in ever new order, or on repeats."""

    def values(self, documents: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
        random = np.random.default_rng(0)
        last: deque[list[str]] = deque(maxlen=_BACK)
        for words in documents:
            if last and random.random() < _SHARE:
                last.append(last[-int(random.integers(1, len(last) + 1))])
            else:
                last.append(random.permutation(words).tolist())
            yield {"tokens": last[-1]}

    def report(self) -> dict[str, Any]:
        return super().report() | {"words": self._stats["words"]}
