"""A sample as the engine would batch it."""

from collections.abc import Iterator

from ..engine.bundle import Bundle
from ..engine.inference.batching import build_batch, plan_batches, window_lengths
from ..engine.model import open_encoder
from ..engine.types import Batch, Ints
from .sample import Sample


def engine_batches(
    bundle: Bundle, sample: Sample, max_tokens: int, *, packed: bool = False
) -> Iterator[tuple[Batch, Ints]]:
    """Batches of at most so many subwords, and the words of each one's positions.

    packed: they are for a backend that leaves padding out
    """
    encoder = open_encoder(bundle, overlap=min(64, bundle.max_length // 4))
    encoded = encoder.encode(sample.records())
    lengths = window_lengths(encoded, encoder.special)
    for windows in plan_batches(lengths, max_tokens, packed=packed):
        yield build_batch(encoded, windows, encoder.special, every_subword=False)
