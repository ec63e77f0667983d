"""nerx without a model: labels from a hash of each word, so that all that is left is nerx itself.

Its input is text of which one word in a hundred was never seen before.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ...engine.backends.cores import usable_cores
from ...engine.bundle import Bundle
from ...engine.model import Model
from ...engine.types import Batch, BatchLabels, Floats, Ints
from ..driver import Task
from .nerx import NerxDriver

_NEW_WORD_EVERY = 100
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def open_driver(task: Task) -> "HashedDriver":
    """Takes a bundle's tokenizer and labels."""
    bundle = Bundle.load(Path(task.model))
    with patch("nerx.engine.model.open_backend", lambda *_: HashBackend(bundle.labels)):
        return HashedDriver(task, Model(bundle))


class HashedDriver(NerxDriver):
    """`nerx tag` on new text: cutting words and the cache of tokenized ones count as well."""

    def values(self, documents: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
        count = 0
        for words in documents:
            row = list(words)
            for place in range(-count % _NEW_WORD_EVERY, len(row), _NEW_WORD_EVERY):
                row[place] = f"{count + place:x}".translate(_LETTERS) + "ova"
            count += len(row)
            yield {"text": " ".join(row)}


class HashBackend:
    """Labels from a hash of the subword id: one word in nine begins an entity, as in newswire."""

    name, precision, device = "hash", "none", "cpu"
    streams = usable_cores()
    batch_tokens = 1000
    pools = packs = False

    def __init__(self, labels: tuple[str, ...]) -> None:
        outside = labels.index("O") if "O" in labels else 0
        begins = [number for number, label in enumerate(labels) if label.startswith("B")]
        self._labels = len(labels)
        self._table = np.full(1 << 11, outside, np.int32)
        self._table[: 1 << 8] = np.resize(begins, 1 << 8)
        self._table[-1:] = len(labels) - 1  # an I- with no B- before it, in one sentence of 100

    def run(self, batch: Batch) -> BatchLabels:
        ids = batch.input_ids.reshape(-1)[batch.word_index]
        label_ids = self._table[(ids * 2654435761 >> 16) & (len(self._table) - 1)]
        scores = np.full(len(ids), 0.9, np.float32)
        return BatchLabels(
            label_ids=label_ids, scores=scores, logits=partial(self._logits, label_ids)
        )

    def _logits(self, label_ids: Ints, wanted: Ints) -> Floats:
        return np.eye(self._labels, dtype=np.float32)[label_ids[wanted]] * 4
