"""`nerx export`: a checkpoint becomes a bundle, if its labels stay what they were."""

import json
from pathlib import Path
from typing import Any

import click

from nerx.engine.errors import ConfigError


@click.command("export")
@click.argument("model")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to make."
)
@click.option(
    "--precision", default="fp32,int8", show_default=True, help="Artifacts to make, by commas."
)
@click.option(
    "--verify",
    required=True,
    type=click.Path(),
    help="Text to compare labels on; gold data (CoNLL, tagged JSONL, segmented text) gives F1.",
)
@click.option(
    "--calibration", type=click.Path(), help="Real text of the kind to be labelled, for int8."
)
@click.option("--name", help="Name of the bundle; the model's own if not given.")
@click.option(
    "--unit",
    type=click.Choice(["words", "characters"]),
    help="What a label belongs to; characters if the labels segment words.",
)
@click.option("--scheme", help="Label scheme, such as iob2; found from the labels if not given.")
@click.option("--source", help="Where the model comes from, for the manifest.")
@click.option("--license", "licence", help="Licence of the model, for the manifest.")
@click.option("--card", type=click.Path(), help="JSON object of further facts, for the manifest.")
def command(
    model: str,
    output: Path,
    precision: str,
    verify: str,
    calibration: str | None,
    name: str | None,
    unit: str | None,
    scheme: str | None,
    source: str | None,
    licence: str | None,
    card: str | None,
) -> None:
    """Turns a Hugging Face token classifier into a bundle that `nerx tag -m` runs.

    MODEL is a folder or a hub id. Each artifact is kept only if its labels agree with those of
    PyTorch in fp32 on the --verify text: all of them for fp32; for int8, F1 within 0.3 points on
    gold data, or 99.5 % of words where there are no gold tags.
    """
    try:
        from nerx.export.build import ExportConfig, export_bundle
    except ImportError as error:
        raise ConfigError(
            f"exporting needs more than tagging does ({error}): "
            "run `pip install 'nerx-engine[export]'`"
        ) from error
    config = ExportConfig(
        precisions=tuple(item.strip() for item in precision.split(",")),
        verify=verify,
        calibration=calibration,
        name=name,
        unit=unit,
        scheme=scheme,
        source={key: value for key, value in (("model", source), ("license", licence)) if value},
        card=_read_card(card) if card else {},
    )
    bundle, reports = export_bundle(
        model, output, config, lambda text: click.echo(f"{text} ...", err=True)
    )
    click.echo(f"{'runtime':12} {'precision':9} {'words':>8} {'agree':>9} {'F1 fp32':>8} {'F1':>8}")
    for report in reports:
        scores = [
            "-" if value is None else f"{value:.4f}" for value in (report.f1_reference, report.f1)
        ]
        click.echo(
            f"{report.runtime:12} {report.precision:9} {report.words:8} {report.agreement:9.4%} "
            f"{scores[0]:>8} {scores[1]:>8}"
        )
    for line in (line for report in reports for line in report.differences):
        click.echo(f"  {line}", err=True)
    click.echo(f"{output}: {bundle.size_bytes / 1e6:.1f} MB", err=True)


def _read_card(path: str) -> dict[str, Any]:
    try:
        card = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(card, dict):
        raise ConfigError(f'{path} holds no JSON object; expected something like {{"task": ...}}')
    return card
