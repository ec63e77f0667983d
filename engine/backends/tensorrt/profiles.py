"""Which batch shapes an engine is built for: length buckets, so that no shape is ever outside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, ConfigError
from ...types import Batch

Shape = tuple[int, ...]

SHORTEST_EDGE = 32
_BUCKETS = 4  # when they are drawn from a corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The batches of one length bucket: 1 to `max_rows` rows of min_length to max_length subwords.

    TensorRT calls it an optimization profile, tunes its kernels for one shape in it, and refuses
    every shape outside.
    """

    min_length: int
    max_length: int
    max_rows: int

    @property
    def max_tokens(self) -> int:
        """Subwords of the largest batch, padding included; positions to label are no more."""
        return self.max_rows * self.max_length

    def shapes(self) -> dict[str, tuple[Shape, Shape, Shape]]:
        """input name -> its smallest, usual and largest shape."""
        usual = max(1, self.max_rows * self.min_length // self.max_length)
        grid = (
            (1, self.min_length),
            (usual, self.max_length),
            (self.max_rows, self.max_length),
        )
        words = max(1, usual * self.max_length * 3 // 4)  # the rest begin no word
        return {
            "input_ids": grid,
            "attention_mask": grid,
            "word_index": ((1,), (words,), (self.max_tokens,)),
        }


def make_profiles(edges: Sequence[int], batch_tokens: int) -> tuple[Profile, ...]:
    """One profile a bucket.

    edges: the longest length of each bucket, ascending; the last is the model's longest
    batch_tokens: padded subwords a batch, which bound rows x length

    Raises:
        ConfigError: a row of the longest length is more than a batch.
    """
    if edges[-1] > batch_tokens:
        raise ConfigError(
            f"batches of {batch_tokens} subwords are too small for rows of up to {edges[-1]}; "
            f"expected at least {edges[-1]}"
        )
    profiles = []
    shortest = 1
    for edge in edges:
        # Rows of a few subwords come by the thousand. What they would take beyond this is never
        # used by longer ones, so such batches are cut instead.
        rows = batch_tokens // max(shortest, (edge + 1) // 2)
        profiles.append(Profile(min_length=shortest, max_length=edge, max_rows=max(1, rows)))
        shortest = edge + 1
    return tuple(profiles)


def default_edges(max_length: int) -> tuple[int, ...]:
    """Bucket edges that double, up to the model's longest length."""
    edges = []
    edge = SHORTEST_EDGE
    while 3 * edge < 2 * max_length:  # no bucket for the last few
        edges.append(edge)
        edge *= 2
    return (*edges, max_length)


def corpus_edges(lengths: NDArray[np.integer], max_length: int) -> tuple[int, ...]:
    """Bucket edges that share a corpus' subwords evenly among the buckets, in steps of eight.

    lengths: (rows,) subwords of each row, special tokens included
    """
    ordered = np.sort(lengths)
    subwords = np.cumsum(ordered)
    wanted = subwords[-1] * np.arange(1, _BUCKETS) / _BUCKETS if len(ordered) else np.zeros(0)
    found = ordered[np.searchsorted(subwords, wanted)] if len(ordered) else ordered
    edges = sorted({int(-(-length // 8) * 8) for length in found.tolist()})
    return (*(edge for edge in edges if edge < max_length), max_length)


def pieces(batch: Batch, profiles: Sequence[Profile]) -> Iterator[tuple[int, Batch]]:
    """Cuts a batch into runs of rows that its profile holds: the profile's number, and the piece.

    Their positions are those of the batch, in order.

    Raises:
        BackendError: its rows are longer than any profile allows.
    """
    rows, length = batch.input_ids.shape
    number = next((n for n, item in enumerate(profiles) if length <= item.max_length), None)
    if number is None:
        raise BackendError(
            f"a {batch} is outside all profiles of the engine, which takes up to "
            f"{profiles[-1].max_length} subwords a row: build it again with `nerx export`"
        )
    step = profiles[number].max_rows
    for first in range(0, rows, step):
        begin, end = np.searchsorted(batch.word_index, [first * length, (first + step) * length])
        yield (
            number,
            Batch(
                input_ids=batch.input_ids[first : first + step],
                attention_mask=batch.attention_mask[first : first + step],
                word_index=batch.word_index[begin:end] - first * length,
            ),
        )
