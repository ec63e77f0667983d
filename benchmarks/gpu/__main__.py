"""Every figure of the CUDA backend: kernels, encoder, `nerx tag` and peers; see docs/gpu.md.

    python -m nerx.benchmarks.gpu          on an NVIDIA GPU
    python -m nerx.benchmarks.gpu --small  on a CPU, toy models: that it runs, no measurement

Every kernel is checked before it is timed. Rows are appended to `gpu.jsonl` as they are made, what
fails among them; what `nerx bench` measures besides, in its own form, goes to `gpu_<model>.json`.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import torch
from tokenizers import Tokenizer

from ...engine.bundle import Bundle, builtin_names
from ...export.sample import Sample, builtin_sample
from ..command import progress, run_bench
from ..places import RESULTS
from ..random_models import SIZES, random_config, write_bundle
from ..report import report
from ..systems import System, own_systems, peer_systems
from .encoder import measure_agreement, measure_encoder
from .kernels import measure_kernels, measure_products
from .timing import Bench

MODELS = ("bert-base-chinese", "albert-base", *builtin_names())
PARTS = ("kernels", "encoder", "tag")
_TOKENS, _FEW_TOKENS = 32768, 1000  # of a batch


@click.command()
@click.option("--small", is_flag=True, help="Toy models on a CPU.")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=MODELS)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS)
@click.option("--workers", default="0,4,8,14", show_default=True, help="For `nerx tag`.")
@click.option("--minutes", default=5.0, show_default=True, help="Of a model beside its peers.")
@click.option("--pass-s", default=10.0, show_default=True, help="Seconds a system runs a round.")
@click.option("--deadline", type=float, help="Seconds after which no part is begun.")
@click.option("-o", "--output-dir", default=RESULTS, type=click.Path(path_type=Path))
def main(
    small: bool,
    models: tuple[str, ...],
    parts: tuple[str, ...],
    workers: str,
    minutes: float,
    pass_s: float,
    deadline: float | None,
    output_dir: Path,
) -> None:
    """Measures the CUDA backend."""
    end = time.monotonic() + (deadline or float("inf"))
    if not small and not torch.cuda.is_available():
        raise click.UsageError("torch finds no GPU; --small shows on a CPU that the rest works")
    device, dtype = ("cpu", torch.float32) if small else ("cuda:0", torch.float16)
    rows = output_dir / f"gpu{'_small' if small else ''}.jsonl"
    bench = Bench(torch.device(device), dtype, rows)
    bench.measure_ceilings(small=small)
    tokens = _FEW_TOKENS if small else _TOKENS
    for name in models:
        with tempfile.TemporaryDirectory(prefix="nerx-gpu-") as folder:
            random = name in SIZES
            made = Path(folder, "bundle")
            bundle = write_bundle(name, made, toy=small) if random else Bundle.load(name)
            tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path()))
            sample = builtin_sample(tokenizer, bundle.unit)
            sample = sample.without_tags() if random else sample
            sample = sample.head(40) if small else sample
            tagging = Tagging(
                workers=(0, 1) if small else tuple(map(int, workers.split(","))),
                budget_s=60 * minutes,
                pass_s=pass_s,
                path=output_dir / f"gpu_{bundle.name}.json",
            )
            work: dict[str, list[Callable[[], None]]] = {
                "kernels": [],
                "encoder": [
                    partial(measure_encoder, bench, bundle, sample, tokens),
                    partial(measure_agreement, bench, bundle, sample),
                ],
                "tag": [partial(measure_tagging, bench, bundle, sample, tokens, tagging)],
            }
            if random:
                measures = (measure_kernels, measure_products)
                config = random_config(name, toy=small)
                work["kernels"] = [partial(one, bench, config, tokens) for one in measures]
            for part in parts:
                for measure in work[part]:
                    attempt(bench, measure, end, part=part, model=bundle.name)


def attempt(bench: Bench, measure: Callable[[], None], end: float, **facts: str) -> None:
    """Measures something; that there was no time for it, or that it failed, is a row too."""
    if time.monotonic() >= end:
        bench.add("left out", **facts)
        return
    try:
        measure()
    except Exception as error:  # of CUDA, Triton, torch or a peer: the rest may still run
        bench.add("failed", **facts, error=f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """How `nerx tag` and its peers are measured, and where the results go."""

    workers: tuple[int, ...]
    budget_s: float
    pass_s: float
    path: Path


def measure_tagging(
    bench: Bench, bundle: Bundle, sample: Sample, tokens: int, how: Tagging
) -> None:
    """`nerx tag` by the number of worker processes, its model alone, and the peers."""
    precision = "fp16" if bench.dtype == torch.float16 else "fp32"
    own = own_systems([bundle], sample.joint, "torch", precision, 0)
    task = replace(own[0].task, batch_tokens=tokens)
    systems = [replace(own[0], task=replace(task, workers=count)) for count in how.workers]
    alone = [
        System("alone", "nerx.benchmarks.peers.alone", task),
        System("compiled", "nerx.benchmarks.peers.compiled", replace(task, backend="")),
    ]
    peers, _ = peer_systems(["transformers"], str(bundle.folder), bundle.unit, sample.joint)
    say = progress()
    others = [*peers, *alone]
    results = run_bench([bundle], systems, others, sample, how.budget_s, say, how.pass_s)
    say("")
    click.echo("\n" + report(results, []) + "\n")
    how.path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
