"""`nerx bench`: how fast, against whom, how far from the machine's limit."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..engine.backends.cores import usable_cores
from ..engine.backends.select import BACKENDS
from ..engine.bundle import PRECISIONS, Bundle
from ..engine.bundles.find import find_bundle, in_precisions
from ..engine.commands.options import given, threads_option
from ..engine.errors import BundleError, ConfigError, NerxError
from ..engine.model import open_encoder
from ..export.sample import Sample, sample_for
from .limits.products import read_products
from .measure import measure
from .plot import plot
from .regression import compare_results
from .report import fp16_note, report, report_changes, report_scaling
from .rows import collect, read_results, write_results
from .scaling import scale
from .systems import PEERS, System, limits, own_systems, peer_systems

SLOWER = 1  # exit code


@click.command("bench")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    default=("en",),
    metavar="NAME|DIR",
    help="Model to measure; may be repeated for bundles of the same weights.",
)
@click.option(
    "--precision", type=click.Choice(PRECISIONS), help="This one, beside fp32.  [default: all]"
)
@click.option("--fp32", "precision", flag_value="fp32", help="The same as --precision fp32.")
@click.option("--fp16", "precision", flag_value="fp16", help="The same as --precision fp16.")
@click.option("--int8", "precision", flag_value="int8", help="The same as --precision int8.")
@click.option("--backend", type=click.Choice(("auto", *BACKENDS)), default="auto")
@click.option("--batch-tokens", type=click.IntRange(min=1), help="Padded subwords a batch.")
@click.option("--corpus", help="Text to label; gold data gives F1.  [default: built in]")
@click.option("--peers", help=f"Libraries to compare with: {', '.join(PEERS)}; or none.")
@click.option(
    "--checkpoint",
    help="Weights for the peers, a Hugging Face folder or id.  [default: the model's own]",
)
@click.option("--minutes", default=2.0, show_default=True, help="Time to spend, about.")
@threads_option
@click.option("--scaling", is_flag=True, help="Also time and memory of 1k to 1M records.")
@click.option("--json", "json_file", help="Write the result as JSON.")
@click.option("--plot", "plot_file", help="Draw the result as a PNG file.")
@click.option("--against", help="Compare ratios with an older --json; exit 1 if one fell.")
def command(
    models: tuple[str, ...],
    precision: str | None,
    backend: str,
    batch_tokens: int | None,
    corpus: str | None,
    peers: str | None,
    checkpoint: str | None,
    minutes: float,
    scaling: bool,
    json_file: str | None,
    plot_file: str | None,
    against: str | None,
) -> int:
    """Measure nerx beside other libraries, and against the machine's own limit."""
    if given("threads") and hasattr(os, "sched_setaffinity"):  # peers know no such option
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: usable_cores()])
    _check_outputs(json_file, plot_file)
    old = read_results(against) if against else None
    bundles, absent = _bundles(models, precision)
    unit = bundles[0].unit
    sample = sample_for(bundles[0], corpus)
    own = own_systems(bundles, sample.joint, backend, precision or "auto", batch_tokens or 0)
    weights = checkpoint or _weights(bundles)
    others, absent_peers = peer_systems(_peer_names(peers), weights, unit, sample.joint)
    say = progress()
    results = run_bench(bundles, own, others, sample, minutes * 60, say)
    results["absent"] = absent = [*absent, *absent_peers]
    if scaling:
        results["scaling"] = scale(own[0], sample, minutes * 60, say)
    say("")
    click.echo(report(results, absent))
    if note := fp16_note(results):
        click.echo("\n" + note)
    if scaling:
        click.echo("\n" + report_scaling(results["scaling"], own[0].title))
    if json_file:
        write_results(json_file, results)
    if plot_file:
        plot(results, plot_file)
    if old is None:
        return 0
    changes = compare_results(old, results)
    click.echo("\n" + report_changes(changes))
    return SLOWER if any(change.worse for change in changes) else 0


def run_bench(
    bundles: Sequence[Bundle],
    own: Sequence[System],
    others: Sequence[System],
    sample: Sample,
    budget_s: float,
    say: Callable[[str], None],
    pass_s: float | None = None,
) -> dict[str, Any]:
    """Measures systems side by side, with the limits of nerx's own, as docs/bench.md describes."""
    load = _busy_cores()
    products = read_products(bundles[0])
    bounds = limits(own) if products else {}
    measured = measure([*own, *others], bounds, sample, budget_s, say, pass_s)
    return collect(measured, bundles, _lengths(bundles[0], measured.sample), products, load)


def _busy_cores() -> float:
    """Cores that others use: in the second that this takes or, without psutil, in the last minute.

    The average of a minute would hold what a benchmark just before this one did.
    """
    if not find_spec("psutil"):
        return os.getloadavg()[0]
    import psutil

    return float(psutil.cpu_percent(1.0)) / 100 * (os.cpu_count() or 1)


def _check_outputs(json_file: str | None, plot_file: str | None) -> None:
    """Refuses before the measurement what could not be written after it."""
    for path in filter(None, (json_file, plot_file)):
        folder = Path(path).absolute().parent
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"{path} cannot be written: {folder} is no folder you can write to")
    if plot_file and not find_spec("matplotlib"):
        raise ConfigError("--plot needs matplotlib: run `pip install 'nerx-engine[bench]'`")


def _bundles(models: Sequence[str], precision: str | None) -> tuple[list[Bundle], list[str]]:
    """The bundles to be measured, and what cannot be.

    precision: the one that is asked for, None for all; there is always fp32 to compare with

    Raises:
        BundleError: they label different things.
    """
    bundles = [find_bundle(model) for model in models]
    for bundle in bundles[1:]:
        if (bundle.labels, bundle.unit) != (bundles[0].labels, bundles[0].unit):
            raise BundleError(f"{bundle.name} and {bundles[0].name} have different labels")
    held = {artifact.precision for bundle in bundles for artifact in bundle.artifacts}
    missing = tuple(sorted({precision or "fp32", "fp32"} - held))
    if not missing:
        return bundles, []
    try:
        return [*bundles, in_precisions(bundles[0], missing)], []
    except NerxError as error:
        if precision in missing:
            raise
        return bundles, [f"fp32: {error}"]


def _peer_names(peers: str | None) -> list[str]:
    if peers is None:
        return list(PEERS)
    names = [name.strip() for name in peers.split(",") if name.strip() not in ("", "none")]
    if unknown := [name for name in names if name not in PEERS]:
        raise ConfigError(f"unknown peer {unknown[0]!r}; expected some of {', '.join(PEERS)}")
    return names


def _weights(bundles: Sequence[Bundle]) -> str:
    """The bundle that the peers take their weights from, one in fp32 if there is one."""
    held = (b for b in bundles if any(a.precision == "fp32" for a in b.artifacts))
    return str(next(held, bundles[0]).folder)


def _lengths(bundle: Bundle, sample: Sample) -> list[int]:
    """Subwords of the documents, special tokens included."""
    encoder = open_encoder(bundle, 0)
    encoded = encoder.encode(sample.records())
    around = len(encoder.special.before) + len(encoder.special.after)
    lengths: list[int] = (np.diff(encoded.word_subwords[encoded.doc_words]) + around).tolist()
    return lengths


def progress() -> Callable[[str], None]:
    """Tells what is being done on one line of a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda text: None
    start = time.monotonic()

    def say(text: str) -> None:
        line = f"{time.monotonic() - start:4.0f} s  {text}"[:79] if text else ""
        click.echo(f"\r\033[K{line}", nl=False, err=True)

    return say
