"""nerx on a corpus in which three lines in ten have been there before, as in crawled pages."""

import json

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

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        random = np.random.default_rng(0)
        lines: list[str] = []
        for words in documents * copies:
            if lines and random.random() < _SHARE:
                lines.append(lines[-int(random.integers(1, min(len(lines), _BACK) + 1))])
            else:
                lines.append(json.dumps({"tokens": random.permutation(words).tolist()}))
        self.input.write_text("\n".join(lines) + "\n", encoding="utf-8")
