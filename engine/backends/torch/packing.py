"""Padded batches to packed ones, which hold no padding: sequence after sequence. Pure."""

from dataclasses import dataclass

import numpy as np

from ...arrays import offsets
from ...errors import BackendError
from ...types import Batch, Ints


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Sequences one after the other, and which of their rows to label."""

    ids: Ints  # (subwords,)
    positions: Ints  # (subwords,): place of each in its sequence
    begin: Ints  # (sequences + 1,): sequence s has the rows begin[s]:begin[s + 1]
    word_rows: Ints  # (positions,): rows to label, sequence by sequence
    pieces: Ints | None = None  # (positions,): how many rows to pool for each; None for one
    pooling: str = "first"  # then "mean" or "max"

    @property
    def longest(self) -> int:
        """Subwords of the longest sequence."""
        return int(np.diff(self.begin).max(initial=0))


def pack(batch: Batch) -> PackedBatch:
    """Leaves the padding out.

    Raises:
        BackendError: a label is wanted at a place that the mask leaves out.
    """
    mask = batch.attention_mask.astype(np.bool_)
    flat = mask.reshape(-1)
    if not flat[batch.word_index].all():
        raise BackendError("a label is asked for at a place of the batch that is padding")
    places = np.broadcast_to(np.arange(mask.shape[1], dtype=np.int32), mask.shape)
    row_of_place = np.cumsum(flat, dtype=np.int32) - 1
    return PackedBatch(
        ids=batch.input_ids[mask].astype(np.int32),
        positions=places[mask],
        begin=offsets(mask.sum(axis=1)),
        word_rows=row_of_place[batch.word_index].astype(np.int32),
        pieces=None if batch.pieces is None else batch.pieces.astype(np.int32),
        pooling=batch.pooling,
    )


def halves(packed: PackedBatch) -> tuple[PackedBatch, PackedBatch] | None:
    """Cuts a batch between two sequences, near its middle; None if it is one sequence."""
    begin = packed.begin
    if len(begin) < 3:
        return None
    middle = int(np.clip(np.searchsorted(begin, begin[-1] // 2), 1, len(begin) - 2))
    return _sequences(packed, 0, middle), _sequences(packed, middle, len(begin) - 1)


def _sequences(packed: PackedBatch, first: int, end: int) -> PackedBatch:
    """Some sequences of a batch as one of their own."""
    row, stop = packed.begin[first], packed.begin[end]
    words = (packed.word_rows >= row) & (packed.word_rows < stop)
    return PackedBatch(
        ids=packed.ids[row:stop],
        positions=packed.positions[row:stop],
        begin=packed.begin[first : end + 1] - row,
        word_rows=packed.word_rows[words] - row,
        pieces=None if packed.pieces is None else packed.pieces[words],
        pooling=packed.pooling,
    )
