"""Every figure of the CUDA backend: kernels, encoder, peers, `nerx tag`; docs/gpu.md explains them.

    python -m nerx.benchmarks.gpu          on an NVIDIA GPU; about ten minutes
    python -m nerx.benchmarks.gpu --small  on a CPU, toy models: that it runs, no measurement

Every kernel is checked before it is timed. Weights are random, texts are real and repeated. Rows
go to `benchmarks/results/gpu.json` (of `--small` to `gpu_small.json`).
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from ..engine.backends.torch.backend import TorchBackend
from ..engine.backends.torch.lanes import flatten
from ..engine.backends.torch.packing import pack
from ..engine.backends.torch.weights import load_weights
from ..engine.bundle import Bundle, builtin_names
from ..engine.types import Batch
from ..kernels.word_labels import word_labels
from .gpu_kernels import measure_kernels, measure_products
from .gpu_measure import Bench
from .gpu_models import (
    REFERENCES,
    ROOT,
    Reference,
    batches,
    documents,
    operations,
    random_model,
    repeated,
    write_bundle,
    write_jsonl,
)
from .gpu_peers import measure_compiled, measure_pipeline

Backend = Callable[[Batch], Any]


@click.command()
@click.option("--small", is_flag=True, help="Toy models on a CPU.")
@click.option("--model", "kinds", multiple=True, type=click.Choice(list(REFERENCES)))
@click.option("--text", type=click.Path(exists=True, path_type=Path), help="A document a line.")
@click.option("--subwords", default=2_000_000, show_default=True, help="Of the repeated texts.")
@click.option("--workers", default="0,4,8,14", show_default=True, help="For `nerx tag`.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(
    small: bool,
    kinds: tuple[str, ...],
    text: Path | None,
    subwords: int,
    workers: str,
    output: Path | None,
) -> None:
    """Measures the CUDA backend."""
    if not small and not torch.cuda.is_available():
        raise click.UsageError("torch finds no GPU; --small shows on a CPU that the rest works")
    device, dtype = ("cpu", torch.float32) if small else ("cuda:0", torch.float16)
    bench = Bench(torch.device(device), dtype)
    bench.measure_ceilings(small=small)
    for kind in kinds or tuple(REFERENCES):
        reference = REFERENCES[kind]
        reference = replace(reference, text=text) if text else reference
        reference = replace(reference, name=f"{reference.name} (toy)") if small else reference
        counts = (0, 1) if small else tuple(map(int, workers.split(",")))
        with tempfile.TemporaryDirectory(prefix="nerx-gpu-") as folder:
            measure(bench, kind, reference, Path(folder), 4000 if small else subwords, counts)
    for name in builtin_names():  # trained weights, whose labels are not drawn by chance
        unit = Bundle.load(name).unit
        texts = next(documents(one) for one in REFERENCES.values() if one.unit == unit)
        measure_agreement(bench, Bundle.load(name), texts[: 20 if small else None])
    name = "gpu_small.json" if small else "gpu.json"
    path = output or ROOT / "benchmarks" / "results" / name
    result = {"schema": 1, "machine": bench.machine(), "ceilings": bench.ceilings}
    path.write_text(json.dumps(result | {"rows": bench.rows}, indent=1) + "\n")
    print(f"\n{len(bench.rows)} rows in {path}")


def measure(
    bench: Bench,
    kind: str,
    reference: Reference,
    folder: Path,
    subwords: int,
    workers: tuple[int, ...],
) -> None:
    """All there is to measure of one model."""
    small = bench.device.type == "cpu"
    texts = documents(reference)
    model = random_model(kind, len(reference.labels), small=small)
    bundle = write_bundle(folder / "bundle", reference, model, texts, half=False)
    many = repeated(bundle, texts, subwords)
    tokens = 1000 if small else 32768
    measure_kernels(bench, model, tokens)
    measure_products(bench, model, tokens)
    rate = measure_encoder(bench, bundle, model, many, tokens)
    measure_agreement(bench, bundle, texts)
    measure_compiled(bench, bundle, model, many, tokens, rate)
    measure_tagging(bench, bundle, many * (1 if small else 10), folder, workers, rate)
    measure_pipeline(bench, bundle, model, texts, small=small)


def measure_encoder(
    bench: Bench, bundle: Bundle, model: Any, texts: list[str], tokens: int
) -> float:
    """The packed encoder on real lengths, alone and as the backend; gives subwords a second."""
    backend = open_torch(bundle, bench)
    encoder = backend._encoder
    corpus = list(batches(bundle, texts, tokens))
    packed = [pack(batch) for batch in corpus]
    flat = [flatten(one) for one in packed]
    inputs = [(shape.views(torch.from_numpy(b).to(bench.device)), shape) for b, shape in flat]
    lengths = [n for one in packed for n in np.diff(one.begin).tolist()]
    subwords, work = sum(lengths), operations(model, lengths)

    def forward(decode: bool) -> None:
        with torch.inference_mode():
            for (ids, positions, begin, rows), shape in inputs:
                hidden = encoder(ids, positions, begin, shape.longest)
                if decode:
                    word_labels(hidden, *encoder.classifier, rows)
        if bench.device.type == "cuda":
            torch.cuda.synchronize()

    shares = {}
    for name, decode in (("hidden states", False), ("with word labels", True)):
        p20, p50, p80 = bench.wall_s(lambda decode=decode: forward(decode))
        shares[name] = p50
        tflops = work / p50 / 1e12
        bench.add(
            "encoder",
            model=bundle.name,
            part=name,
            batches=len(packed),
            batch_tokens=tokens,
            subwords_per_s=subwords / p50,
            tflops=tflops,
            matmul_share=tflops / bench.ceilings["matmul_tflops"],
            unit="s",
            p20=p20,
            p50=p50,
            p80=p80,
        )
    decode_share = 1 - shares["hidden states"] / shares["with word labels"]
    bench.add("encoder", model=bundle.name, part="share of word labels", share=decode_share)

    def serve() -> None:
        with ThreadPoolExecutor(backend.streams) as pool:
            list(pool.map(backend.run, corpus))

    p20, p50, p80 = bench.wall_s(serve)
    places = sum(batch.input_ids.size for batch in corpus)
    bench.add(
        "backend",
        model=bundle.name,
        streams=backend.streams,
        subwords_per_s=subwords / p50,
        padding_left_out=1 - subwords / places,
        unit="s",
        p20=p20,
        p50=p50,
        p80=p80,
    )
    return subwords / shares["with word labels"]


def measure_agreement(bench: Bench, bundle: Bundle, texts: list[str]) -> None:
    """The share of words whose label is that of float32 on a CPU."""
    corpus = list(batches(bundle, texts, 1000))
    config, weights = load_weights(bundle)
    truth = TorchBackend(config, weights, device="cpu")
    backend = open_torch(bundle, bench)
    same = [backend.run(one).label_ids == truth.run(one).label_ids for one in corpus]
    words = np.concatenate(same)
    bench.add("agreement", model=bundle.name, words=len(words), share=float(words.mean()))


def measure_tagging(
    bench: Bench,
    bundle: Bundle,
    texts: list[str],
    folder: Path,
    workers: tuple[int, ...],
    encoder_rate: float,
) -> None:
    """`nerx tag` from JSONL to JSONL, by the number of worker processes."""
    write_jsonl(folder / "in.jsonl", texts)
    paths = {name: str(folder / name) for name in ("in.jsonl", "out.jsonl", "stats.json")}
    for count in workers:
        # A process of its own: workers start by importing what the main program imports.
        command = [
            *(sys.executable, "-c", "from nerx.engine.commands.cli import main; main()"),
            *("tag", "--quiet"),
            *(paths["in.jsonl"], "-o", paths["out.jsonl"], "--force", "-m", str(bundle.folder)),
            *("--backend", "torch", "--device", str(bench.device), "--workers", str(count)),
            *("--stats", paths["stats.json"]),
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        wall_s = time.perf_counter() - began
        stats = json.loads(Path(paths["stats.json"]).read_text())
        rate = stats["subwords"] / stats["seconds"]
        bench.add(
            "tag",
            model=bundle.name,
            workers=count,
            subwords=stats["subwords"],
            seconds=stats["seconds"],  # without loading the model, with starting the workers
            wall_s=wall_s,
            subwords_per_s=rate,
            words_per_s=stats["words_per_s"],
            encoder_share=rate / encoder_rate,
            stage_s=stats["stage_s"],
            wait_s=stats["wait_s"],
            limited_by=max(stats["wait_s"], key=stats["wait_s"].get),
            peak_memory_mb=stats["peak_memory_mb"],
        )


def open_torch(bundle: Bundle, bench: Bench) -> TorchBackend:
    """The torch backend in the precision that is measured."""
    precision = "fp16" if bench.dtype == torch.float16 else "fp32"
    config, weights = load_weights(bundle)
    return TorchBackend(config, weights, precision=precision, device=str(bench.device))


if __name__ == "__main__":
    main()
