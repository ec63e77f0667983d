"""A sample as the engine would batch it."""

from collections.abc import Iterator

from ..engine.bundle import Bundle
from ..engine.inference.batching import build_batch, plan_batches, window_lengths
from ..engine.model import open_encoder
from ..engine.types import Batch, Ints
from .sample import Sample


def engine_batches(bundle: Bundle, sample: Sample, max_tokens: int) -> Iterator[tuple[Batch, Ints]]:
    """Batches of at most so many padded subwords, and the words of each one's positions."""
    encoder = open_encoder(bundle, overlap=min(64, bundle.max_length // 4))
    encoded = encoder.encode(sample.records())
    for windows in plan_batches(window_lengths(encoded, encoder.special), max_tokens):
        yield build_batch(encoded, windows, encoder.special, every_subword=False)
