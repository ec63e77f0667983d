"""Speed against F1 of the built-in models and of what else does their work: docs/tiers.png.

    python -m nerx.benchmarks.suites.tiers [--minutes N]

On the sentences of CoNLL-2003's and UD GSD's dev data in `$NERX_SHARED/data`: speed by rounds in
turn, on as many of them as there is time for; F1 on all, of labels by arg max, in seqeval's default
mode.
"""

from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

from ...engine.bundle import Bundle
from ...export.sample import Sample, read_sample
from ..command import progress
from ..driver import Driver
from ..labels import f1, tags_of_spans
from ..measure import measure
from ..places import RESULTS, ROOT, SHARED
from ..plot import OWN_COLOR, PEER_COLOR, drawing
from ..rows import machine, spread, write_results
from ..systems import System, own_systems, peer_systems

TASKS = {  # what is labelled: the models, and the peers that have one of their own
    "conll2003/dev.conll": (("en", "en-fast"), ()),
    "ud_zh_gsd/dev.txt": (("zh", "zh-fast"), ("jieba", "thulac")),
    "ud_zh_gsdsimp/dev.txt": (("zh", "zh-fast"), ("jieba", "thulac")),
}


def score(gold: str, minutes: float) -> dict[str, Any]:
    """Words a second and F1 of each system on one gold file."""
    models, peers = TASKS[gold]
    bundles = [Bundle.load(model) for model in models]
    sample = read_sample(str(SHARED / gold), bundles[0].unit)
    own = [
        replace(own_systems([bundle], sample.joint, "openvino", "int8", 0)[0], name=bundle.name)
        for bundle in bundles
    ]
    others, absent = peer_systems(peers, "", bundles[0].unit, sample.joint)
    measured = measure([*own, *others], {}, sample, minutes * 60, progress())
    found = {
        one.system.name: {"words_per_s": spread(one.rates()), "f1": f1_of(one.system, sample)}
        for one in measured.results
    }
    return {"unit": "words" if sample.joint else "characters", "systems": found, "absent": absent}


def f1_of(system: System, sample: Sample) -> float | None:
    """What a system scores on all sentences, in this process."""
    driver: Driver = resolve_name(system.opens)(system.task)
    driver.prepare(sample.words, 1)
    driver.run(1)
    pairs = zip(driver.spans(len(sample.words)), sample.words, strict=True)
    return f1([tags_of_spans(spans, words, sample.joint) for spans, words in pairs], sample)


def draw(results: dict[str, Any], path: Path) -> None:
    """A point a system: the faster, the more to the right; the better, the higher."""
    golds, host = results["gold"], results["machine"]
    with drawing(path, 1, len(golds), figsize=(4 * len(golds), 3.6)) as panels:
        for axes, (gold, values) in zip(panels, golds.items(), strict=True):
            for name, one in values["systems"].items():
                place = (one["words_per_s"]["median"], one["f1"])
                own = name in TASKS[gold][0]
                axes.scatter(*place, color=OWN_COLOR if own else PEER_COLOR)
                axes.annotate(name, place, xytext=(0, 6), textcoords="offset points", ha="center")
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter("")
            axes.margins(0.2)
            axes.set_title(gold, fontsize=10)
            axes.set_xlabel(f"{values['unit']} per second")
        panels[0].set_ylabel("F1")
        panels[0].figure.suptitle(f"{host['processor']}, {host['cores']} cores", fontsize=9)


@click.command()
@click.option("--minutes", default=1.0, show_default=True, help="For each gold file.")
def main(minutes: float) -> None:
    results = {"machine": machine(), "gold": {gold: score(gold, minutes) for gold in TASKS}}
    for gold, values in results["gold"].items():
        for name, one in values["systems"].items():
            rate = one["words_per_s"]["median"]
            click.echo(f"{gold:22} {name:8} {rate:11,.0f} {values['unit']}/s  F1 {one['f1']:.4f}")
        click.echo("\n".join(values["absent"]), nl=bool(values["absent"]))
    write_results(RESULTS / "tiers.json", results)
    draw(results, ROOT / "docs" / "tiers.png")


if __name__ == "__main__":
    main()
