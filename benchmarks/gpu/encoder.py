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

_SUBWORDS = 2_000_000  # of the repeated sample


def measure_encoder(bench: Bench, bundle: Bundle, sample: Sample, tokens: int) -> None:
    """The encoder to its hidden states and to word labels, without the engine around it."""
    encoder = open_torch(bundle, bench)._encoder
    packed = [pack(batch) for batch, _ in engine_batches(bundle, sample, tokens)]
    flat = [flatten(one) for one in packed]
    inputs = [(shape.views(torch.from_numpy(b).to(bench.device)), shape) for b, shape in flat]
    lengths = [n for one in packed for n in np.diff(one.begin).tolist()]
    times = max(1, _SUBWORDS // sum(lengths)) if bench.device.type == "cuda" else 1
    products = read_products(bundle)
    work = products.operations(lengths) * times if products else None

    def forward(decode: bool) -> None:
        with torch.inference_mode():
            for (ids, positions, begin, rows), shape in inputs * times:
                hidden = encoder(ids, positions, begin, shape.longest)
                if decode:
                    word_labels(hidden, *encoder.classifier, rows)
        if bench.device.type == "cuda":
            torch.cuda.synchronize()

    shares = {}
    for name, decode in (("hidden states", False), ("with word labels", True)):
        p20, p50, p80 = bench.wall_s(lambda decode=decode: forward(decode))
        shares[name] = p50
        tflops = work / p50 / 1e12 if work else None
        bench.add(
            "encoder",
            model=bundle.name,
            part=name,
            batches=len(packed) * times,
            batch_tokens=tokens,
            subwords_per_s=sum(lengths) * times / p50,
            tflops=tflops,
            matmul_share=tflops / bench.ceilings["matmul_tflops"] if tflops else None,
            unit="s",
            p20=p20,
            p50=p50,
            p80=p80,
        )
    decode_share = 1 - shares["hidden states"] / shares["with word labels"]
    bench.add("encoder", model=bundle.name, part="share of word labels", share=decode_share)


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
    precision = "fp16" if bench.dtype == torch.float16 else "fp32"
    config, weights = load_weights(bundle)
    return TorchBackend(config, weights, precision=precision, device=str(bench.device))
