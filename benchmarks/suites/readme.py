"""The speeds in README.md: `nerx bench` for the built-in models, beside peers on the same weights.

    python -m nerx.benchmarks.suites.readme [--random FOLDER] [--minutes N] [--only MODEL]

Reads the texts in `$NERX_SHARED/data/text` (`../shared` by default), or what comes with nerx where
there are none. Writes benchmarks/results/tag_<model>.json, with the commit, and a picture to docs/;
with `ONEDNN_MAX_CPU_ISA` set, tag_<model>_<its value>.json, and no picture. With `--random`, a
folder that random_models made, models of the size of bert-base and albert-base with random weights
are measured too. Ends with a table of how near all are to the limit, and what repeats are worth.
"""

import json
import math
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from ...engine.bundle import Bundle
from ...export.sample import sample_for
from ..command import progress
from ..measure import measure
from ..places import RESULTS, ROOT, TEXTS
from ..rows import measured, write_results
from ..systems import own_systems
from ..watched import NERX

RANDOM = ("bert-base", "albert-base")
CORPORA = {"en": "gum_en.txt", "zh": "cmrc_zh.txt"} | dict.fromkeys(RANDOM, "gum_en.txt")
# Those on the same weights, once each: spaCy's pipeline is that of `transformers`.
PEERS = {"en": "transformers,optimum,spacy", "zh": "transformers,optimum,ckip"}
ISA = os.environ.get("ONEDNN_MAX_CPU_ISA", "").lower()  # the newest instructions to be used


def bench(name: str, model: str, minutes: float, at: str) -> dict[str, Any]:
    """Runs `nerx bench` on a model; its tables go to the terminal."""
    results = RESULTS / f"tag_{name}{ISA and '_' + ISA}.json"
    options = ["-m", model, "--minutes", str(minutes), "--json", str(results)]
    options += ["--peers", PEERS.get(name, "transformers,optimum")]
    if name not in RANDOM and not ISA:
        options += ["--plot", str(ROOT / "docs" / f"bench_{name}.png")]
    if (TEXTS / CORPORA[name]).is_file():
        options += ["--corpus", str(TEXTS / CORPORA[name])]
    subprocess.run([*NERX, "bench", *options], check=True)
    values: dict[str, Any] = json.loads(results.read_text("utf-8")) | {"commit": at}
    write_results(results, values)
    return values


def commit() -> str:
    """The commit of this checkout, with a mark if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True
    )
    return head.stdout.strip() + (" and changes" if changed.stdout.strip() else "")


def repeats(minutes: float) -> list[float]:
    """How much faster `en` is where three lines in ten repeat another, round by round."""
    bundle, text = Bundle.load("en"), TEXTS / CORPORA["en"]
    sample = sample_for(bundle, str(text) if text.is_file() else None)
    [own] = own_systems([bundle], sample.joint, "openvino", "int8", 0)
    some = replace(own, name="repeats", opens="nerx.benchmarks.peers.repeats:open_driver")
    found = measure([own, some], {}, sample, minutes * 60, progress()).results
    return [b / a for a, b in zip(*(one.rates() for one in found), strict=True)]


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Shares of the limit, all told and while the model runs, and ratios to `transformers`."""
    yield (
        f"{f'OpenVINO {ISA}':15}{'int8':>8}{'its engine':>12}{'fp32 engine':>13}"
        f"{'int8 to transformers':>24}"
    )
    for name, values in found.items():
        own = {
            row["precision"]: row
            for row in measured(values)
            if (row["system"], row["backend"]) == ("nerx", "openvino")
        }
        int8, fp32 = own["int8"], own["fp32"]
        ratio = int8["ratio"] or dict.fromkeys(("median", "min", "max"), math.nan)
        yield (
            f"{name:15}{int8['limit_share']:8.0%}{int8['engine_limit_share']:12.0%}"
            f"{fp32['engine_limit_share']:13.0%}{ratio['median']:10.1f}"
            f" ({ratio['min']:.1f} to {ratio['max']:.1f})"
        )


@click.command()
@click.option("--random", help="Folder with bundles of random weights.")
@click.option("--minutes", default=2.5, show_default=True, help="For each model.")
@click.option("--only", type=click.Choice(tuple(CORPORA)), help="One of the models.")
def main(random: str | None, minutes: float, only: str | None) -> None:
    found, at = {}, commit()  # before results change
    for name in [only] if only else CORPORA:
        if name in RANDOM and not random:
            continue
        model = str(Path(random, name).resolve()) if random and name in RANDOM else name
        found[name] = bench(name, model, minutes, at)
        click.echo("")
    gain = repeats(minutes / 5)
    click.echo("\n".join(table(found)))
    click.echo(
        f"en, 30 % repeated lines: {median(gain):.2f} times as fast as without"
        f" ({min(gain):.2f} to {max(gain):.2f})"
    )


if __name__ == "__main__":
    main()
