"""The speeds in README.md: `nerx bench` for the built-in models, beside every peer installed.

    python -m nerx.benchmarks.suites.readme [--random FOLDER] [--minutes N] [--only MODEL]

Reads the texts in `$NERX_SHARED/data/text` (`../shared` by default), or what comes with nerx where
there are none. Writes benchmarks/results/tag_<model>.json, with the commit, and a picture to docs/.
With `--random`, a folder that random_models made, models of the size of bert-base and
albert-base with random weights are measured too.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from ..places import RESULTS, ROOT, TEXTS

RANDOM = ("bert-base", "albert-base")
CORPORA = {"en": "gum_en.txt", "zh": "cmrc_zh.txt"} | dict.fromkeys(RANDOM, "gum_en.txt")
AIMS = {  # times the speed of a peer
    ("int8", "transformers"): 6.0,
    ("fp32", "transformers"): 1.8,
    ("int8", "optimum"): 2.0,
    ("int8", "ckip"): 10.0,
}
NERX = (sys.executable, "-c", "from nerx.engine.commands.cli import main; main()")


def bench(name: str, model: str, minutes: float, at: str) -> dict[str, Any]:
    """Runs `nerx bench` on a model; its tables go to the terminal."""
    results = RESULTS / f"tag_{name}.json"
    options = ["-m", model, "--minutes", str(minutes), "--json", str(results)]
    if name not in RANDOM:
        options += ["--plot", str(ROOT / "docs" / f"bench_{name}.png")]
    if (TEXTS / CORPORA[name]).is_file():
        options += ["--corpus", str(TEXTS / CORPORA[name])]
    subprocess.run([*NERX, "bench", *options], check=True)
    values: dict[str, Any] = json.loads(results.read_text("utf-8")) | {"commit": at}
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    results.write_text(text, encoding="utf-8")
    return values


def settle() -> None:
    """Waits until the load of what ran before has died away."""
    ends = time.monotonic() + 300
    while os.getloadavg()[0] > 0.4 and time.monotonic() < ends:
        time.sleep(5)


def commit() -> str:
    """The commit of this checkout, with a mark if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True
    )
    return head.stdout.strip() + (" and changes" if changed.stdout.strip() else "")


def verdicts(values: dict[str, Any]) -> list[str]:
    """What became of the aims that the results have figures for."""
    best: dict[tuple[str, str], float] = {}
    for row in values["rows"]:
        if "words_per_s" in row:
            key = row["system"], row["precision"]
            best[key] = max(row["words_per_s"]["median"], best.get(key, 0.0))
    lines = []
    for (precision, peer), aim in AIMS.items():
        own, other = best.get(("nerx", precision)), best.get((peer, "fp32"))
        if own and other:
            ratio = own / other
            verdict = "reached" if ratio >= aim else "MISSED"
            name = f"{values['model']['name']} {precision}"
            lines.append(f"{name}: {ratio:.1f} times {peer}; aim {aim:g}: {verdict}")
    return lines


@click.command()
@click.option("--random", help="Folder with bundles of random weights.")
@click.option("--minutes", default=6.0, show_default=True, help="For each model.")
@click.option("--only", type=click.Choice(tuple(CORPORA)), help="One of the models.")
def main(random: str | None, minutes: float, only: str | None) -> None:
    lines, at = [], commit()  # before results change
    for name in [only] if only else CORPORA:
        if name in RANDOM and not random:
            continue
        settle()
        model = str(Path(random, name).resolve()) if random and name in RANDOM else name
        lines += verdicts(bench(name, model, minutes, at))
        click.echo("")
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
