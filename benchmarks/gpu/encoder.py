"""The packed encoder on real lengths, and its labels beside those of float32 on a CPU."""

import numpy as np
import torch

from ...engine.backends.torch.backend import TorchBackend
from ...engine.backends.torch.lanes import flatten
from ...engine.backends.torch.packing import pack
from ...engine.backends.torch.weights import load_weights
from ...engine.bundle import Bundle
from ...export.batches import engine_batches
from ...export.sample import Sample
from ...kernels.word_labels import word_labels
from ..limits.products import read_products
from .timing import Bench

_RUN_MS = 3000
_FULL_BATCHES = 10  # or more: a word is one subword at least


def measure_encoder(bench: Bench, bundle: Bundle, sample: Sample, tokens: int) -> None:
    """The encoder to its hidden states and to word labels, without the engine around it."""
    encoder = open_torch(bundle, bench)._encoder
    copies = max(1, _FULL_BATCHES * tokens // sample.word_count)
    batches = engine_batches(bundle, sample, tokens, packed=True, copies=copies)
    packed = [pack(batch) for batch, _ in batches]
    flat = [flatten(one) for one in packed]
    inputs = [(shape.views(torch.from_numpy(b).to(bench.device)), shape) for b, shape in flat]
    lengths = [n for one in packed for n in np.diff(one.begin).tolist()]
    products = read_products(bundle)

    def forward(decode: bool) -> None:
        with torch.inference_mode():
            for (ids, positions, begin, rows), shape in inputs:
                hidden = encoder(ids, positions, begin, shape.longest)
                if decode:
                    word_labels(hidden, *encoder.classifier, rows)

    for name, decode in (("hidden states", False), ("with word labels", True)):
        bench.add_timed(
            "encoder",
            lambda decode=decode: forward(decode),
            operations=products.operations(lengths) if products else 0.0,
            run_ms=_RUN_MS,
            model=bundle.name,
            part=name,
            batches=len(packed),
            batch_tokens=tokens,
            subwords=sum(lengths),
        )


def measure_agreement(bench: Bench, bundle: Bundle, sample: Sample) -> None:
    """The share of words whose label is that of float32 on a CPU."""
    corpus = [batch for batch, _ in engine_batches(bundle, sample, 1000)]
    config, weights = load_weights(bundle)
    truth = TorchBackend(config, weights, device="cpu")
    backend = open_torch(bundle, bench)
    same = [backend.run(one).label_ids == truth.run(one).label_ids for one in corpus]
    words = np.concatenate(same)
    bench.add("agreement", model=bundle.name, words=len(words), share=float(words.mean()))


def open_torch(bundle: Bundle, bench: Bench) -> TorchBackend:
    """The torch backend in the precision that is measured."""
    config, weights = load_weights(bundle)
    return TorchBackend(config, weights, precision=bench.precision, device=str(bench.device))
