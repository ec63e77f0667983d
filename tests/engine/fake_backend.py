"""A backend whose labels follow from the subword ids, so that a test can say what they must be."""

from functools import partial

import numpy as np

from nerx.engine.errors import BackendError
from nerx.engine.types import Batch, BatchLabels


class FakeBackend:
    """Label `id % labels` with probability 0.9; fails on batches that hold `poison`."""

    name = "fake"
    precision = "none"
    device = "cpu"
    streams = 2
    pools = False
    packs = False
    batch_tokens = 200

    def __init__(self, labels: int, poison: int | None = None) -> None:
        self.labels = labels
        self.poison = poison
        self.rows_seen: list[int] = []

    def run(self, batch: Batch) -> BatchLabels:
        if self.poison is not None and (batch.input_ids == self.poison).any():
            raise BackendError("poisoned batch")
        self.rows_seen.append(len(batch.input_ids))
        ids = batch.input_ids.reshape(-1)[batch.word_index]
        rest = np.log(0.1 / (self.labels - 1))
        logits = np.full((len(ids), self.labels), rest, np.float32)
        # later ids are slightly surer, so that no two sequences are equally good
        logits[np.arange(len(ids)), ids % self.labels] = np.log(0.9) + ids * 1e-4
        return BatchLabels(
            label_ids=(ids % self.labels).astype(np.int32),
            scores=np.full(len(ids), 0.9, np.float32),
            logits=partial(np.take, logits, axis=0),
        )
