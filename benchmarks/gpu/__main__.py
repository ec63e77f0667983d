"""Every figure of the CUDA backend: kernels, encoder, `nerx tag` and peers; see docs/gpu.md.

    python -m nerx.benchmarks.gpu          on an NVIDIA GPU
    python -m nerx.benchmarks.gpu --small  on a CPU, toy models: that it runs, no measurement

Every kernel is checked before it is timed. Rows are appended to `gpu.jsonl` as they are made, what
fails among them; what is measured end to end goes to `gpu_<model>_<part>.json`, as `nerx bench`
writes it.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

from ...engine.bundle import Bundle, builtin_names
from ...export.sample import Sample, sample_for
from ..command import run_bench
from ..places import RESULTS
from ..random_models import SIZES, random_config, write_bundle
from ..report import report
from ..rows import write_results
from ..systems import System, own_systems, peer_systems
from .encoder import measure_agreement, measure_encoder
from .kernels import measure_kernels, measure_products
from .timing import Bench

MODELS = ("bert-base-chinese", "albert-base", *builtin_names())
RANDOM_PARTS = ("kernels", "encoder", "tag", "peers")
PARTS = (*RANDOM_PARTS, "builtins")
_TOKENS, _FEW_TOKENS = 32768, 1000  # of a batch
_BLOCK_BYTES = 1 << 20  # so that the first blocks of many workers are soon done


@click.command()
@click.option("--small", is_flag=True, help="Toy models on a CPU.")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=MODELS)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS)
@click.option("--minutes", default=5.0, show_default=True, help="Of a model end to end.")
@click.option("--deadline", type=float, help="Seconds after which no part is begun.")
@click.option("-o", "--output-dir", default=RESULTS, type=click.Path(path_type=Path))
def main(
    small: bool,
    models: tuple[str, ...],
    parts: tuple[str, ...],
    minutes: float,
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
    bench.add_machine()
    bench.measure_ceilings("before")
    tokens = _FEW_TOKENS if small else _TOKENS
    tagging = Tagging(
        bench=bench,
        workers=(0, 1) if small else (0, 4, 8, 14),
        tokens=tokens,
        budget_s=1.0 if small else 60 * minutes,
        pass_s=0.1 if small else 10.0,
        end=end,
    )
    for name in models:
        having = RANDOM_PARTS if name in SIZES else ("builtins",)
        if wanted := [part for part in parts if part in having]:
            with tempfile.TemporaryDirectory(prefix="nerx-gpu-") as folder:
                work = work_on(name, tagging, Path(folder, "bundle"), small=small)
                for part in wanted:
                    for measure in work[part]:
                        attempt(bench, measure, end, part=part, model=name)
    bench.measure_ceilings("after")


def work_on(
    name: str, tagging: "Tagging", folder: Path, *, small: bool
) -> dict[str, list[Callable[[], None]]]:
    """What there is to measure of a model, by part; one with random weights is made in a folder."""
    bench, tokens = tagging.bench, tagging.tokens
    bundle = write_bundle(name, folder, toy=small) if name in SIZES else Bundle.load(name)
    sample = sample_for(bundle)
    sample = sample.head(40) if small else sample
    if name not in SIZES:
        return {
            "builtins": [
                partial(measure_encoder, bench, bundle, sample, tokens),
                partial(measure_agreement, bench, bundle, sample),
                partial(tagging.measure_tag, bundle, sample),
            ]
        }
    sample, config = sample.without_tags(), random_config(name, toy=small)
    return {
        "kernels": [
            partial(one, bench, config, tokens) for one in (measure_kernels, measure_products)
        ],
        "encoder": [partial(measure_encoder, bench, bundle, sample, tokens)],
        "tag": [partial(tagging.measure_tag, bundle, sample)],
        "peers": [partial(tagging.measure_peers, bundle, sample)],
    }


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
    """How `nerx tag` and its peers are measured; results go beside the rows, by model and part."""

    bench: Bench
    workers: tuple[int, ...]
    tokens: int
    budget_s: float
    pass_s: float
    end: float

    def measure_tag(self, bundle: Bundle, sample: Sample) -> None:
        """`nerx tag` by number of worker processes, by arg max and Viterbi; its model alone."""
        own = self._own(bundle, sample)
        systems = [_changed(own, workers=count) for count in self.workers]
        viterbi = _changed(systems[-1], decode="viterbi")
        self._measure("tag", bundle, sample, [*systems, viterbi], [_alone(own)])

    def measure_peers(self, bundle: Bundle, sample: Sample) -> None:
        """`nerx tag` beside the pipeline, and its model alone beside a padded compiled one."""
        own = self._own(bundle, sample)
        compiled = System(
            "compiled", "nerx.benchmarks.peers.compiled:open_driver", replace(own.task, backend="")
        )
        peers, _ = peer_systems(["transformers"], str(bundle.folder), bundle.unit, sample.joint)
        systems = [_changed(own, workers=self.workers[-1])]
        self._measure("peers", bundle, sample, systems, [*peers, _alone(own), compiled])

    def _own(self, bundle: Bundle, sample: Sample) -> System:
        precision = self.bench.precision
        [own, *_] = own_systems([bundle], sample.joint, "torch", precision, self.tokens)
        return _changed(own, block_bytes=_BLOCK_BYTES)

    def _measure(
        self, part: str, bundle: Bundle, sample: Sample, own: list[System], others: list[System]
    ) -> None:
        budget_s = min(self.budget_s, self.end - time.monotonic())
        say = partial(self._say, part, bundle.name)
        results = run_bench([bundle], own, others, sample, budget_s, say, self.pass_s)
        click.echo("\n" + report(results, []) + "\n")
        write_results(self.bench.path.with_name(f"gpu_{bundle.name}_{part}.json"), results)

    def _say(self, part: str, model: str, text: str) -> None:
        """What is said of a measurement in its course is kept, since a command may be cut off."""
        self.bench.add(part, model=model, said=text)


def _changed(system: System, **values: Any) -> System:
    return replace(system, task=replace(system.task, **values))


def _alone(own: System) -> System:
    return replace(own, name="alone", opens="nerx.benchmarks.peers.alone:open_driver")


if __name__ == "__main__":
    main()
