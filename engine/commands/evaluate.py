"""`nerx eval`: score a model on gold data."""

import json
from importlib.metadata import version
from typing import Any

import click

from ..bundles.find import find_bundle
from ..config import LabelConfig
from ..formats.registry import LINES
from ..labels.schemes import Scheme
from ..labels.scoring import Score, Scores
from ..model import Model
from ..run.evaluation import evaluate
from ..run.gold import read_gold
from .options import label_options, model_options, threads_option, token_column_option


@click.command("eval")
@click.argument("gold")
@model_options
@click.option("--format", type=click.Choice(LINES), help="Gold format, if not as it looks.")
@token_column_option
@label_options
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a table.")
def command(
    gold: str,
    model: str,
    revision: str | None,
    backend: str,
    precision: str,
    device: str,
    format: str | None,
    token_column: int | None,
    as_json: bool,
    **labelling: Any,
) -> None:
    """Score a model on GOLD.

    GOLD is CoNLL (word first, tag last), CoNLL-U (tag in MISC), JSONL with "tokens" and "tags", or
    segmented text (words joined by a space). A span counts only if both ends and its type are
    right, as in seqeval.
    """
    config = LabelConfig(**labelling)
    sentences = list(read_gold(gold, format, token_column))
    bundle = find_bundle(model, revision)
    with Model(
        bundle, backend=backend, precision=precision, device=device, config=config
    ) as loaded:
        scores = evaluate(loaded, sentences)
    runtime = loaded.backend
    if as_json:
        facts = {
            "nerx": version("nerx-engine"),
            "model": model,
            "gold": gold,
            "sentences": len(sentences),
            "backend": [runtime.name, runtime.precision, runtime.device],
            "decode": config.decode,
            "scheme": loaded.scheme.name,
            "total": _figures(scores.total),
            "types": {name: _figures(score) for name, score in scores.by_type.items()},
            "accuracy": scores.accuracy,
        }
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    click.echo(
        f"{model} on {gold}: {len(sentences):,} sentences, {runtime.name} {runtime.precision},"
        f" {config.decode} decoding;\nseqeval default mode, labels {loaded.scheme.name.upper()}"
    )
    click.echo(_table(scores, loaded.scheme))


def _figures(score: Score) -> dict[str, Any]:
    names = ("precision", "recall", "f1", "correct", "predicted", "gold")
    return {name: getattr(score, name) for name in names}


def _table(scores: Scores, scheme: Scheme) -> str:
    unit = "words" if scheme.segmentation else "all types"
    rows = {} if scheme.segmentation else scores.by_type
    lines = [f"{'':12}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"]
    lines += [_row(name, score) for name, score in [*rows.items(), (unit, scores.total)]]
    return "\n".join([*lines, f"{'accuracy':12}{scores.accuracy:10.4f}"])


def _row(name: str, score: Score) -> str:
    figures = f"{score.precision:10.4f}{score.recall:10.4f}{score.f1:10.4f}"
    return f"{name:12}{figures}{score.gold:10,}"
