"""A sample as the engine would batch it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.backends.signature import Signature
from ..engine.bundle import Bundle
from ..engine.inference.batching import build_batch, plan_batches, window_lengths
from ..engine.model import open_encoder
from ..engine.types import Batch, Ints
from .sample import Sample

Feed = Mapping[str, NDArray[np.int64]]  # the inputs of one batch, by name

_INPUTS = Signature(("input_ids", "attention_mask", "word_index"), ())  # of what is exported here


def engine_batches(
    bundle: Bundle, sample: Sample, max_tokens: int, *, packed: bool = False, copies: int = 1
) -> Iterator[tuple[Batch, Ints]]:
    """Batches of at most so many subwords, and the words of each one's positions.

    packed: they are for a backend that leaves padding out
    copies: as if the sample were repeated so often, for batches that it would not fill
    """
    as_it_is = replace(bundle, title_case=False)  # so does what they are compared with read a text
    encoder = open_encoder(as_it_is, overlap=min(64, bundle.max_length // 4))
    encoded = encoder.encode(sample.records())
    lengths = np.tile(window_lengths(encoded, encoder.special), copies)
    for numbers in plan_batches(lengths, max_tokens, packed=packed):
        windows = numbers % len(encoded.windows)
        yield build_batch(encoded, windows, encoder.special, every_subword=False)


def feeds(bundle: Bundle, sample: Sample, max_tokens: int) -> list[Feed]:
    """`engine_batches` as an exported graph takes them."""
    return [_INPUTS.feed(batch) for batch, _ in engine_batches(bundle, sample, max_tokens)]
