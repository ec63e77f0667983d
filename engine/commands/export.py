"""`nerx export`: a checkpoint becomes a bundle, if its labels stay what they were."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..backends.select import GPU_RUNTIMES
from ..bundle import Bundle
from ..bundles.find import held_bundle, say
from ..errors import ConfigError

if TYPE_CHECKING:
    from ...export.verify import Parity

_ARTIFACTS = "fp32,int8"


@click.command("export")
@click.argument("model", default="en")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to make.  [default: NAME-bundle]",
)
@click.option(
    "--precision", help=f"Artifacts to make, by commas  [default: {_ARTIFACTS}; engines: fp16]"
)
@click.option(
    "--verify",
    type=click.Path(),
    help="Text to compare labels on; gold data (CoNLL, tagged JSONL, segmented text) gives F1.",
)
@click.option(
    "--calibration",
    type=click.Path(),
    help="Real text of the kind to be labelled, for int8; without it, 200 other such sentences.",
)
@click.option("--name", help="Name of the bundle; the model's own if not given.")
@click.option(
    "--unit",
    type=click.Choice(["words", "characters"]),
    help="What a label belongs to; characters if the labels segment words.",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=8),
    help="Subwords of a window; by default as many as the model takes, up to 512.",
)
@click.option("--title-case", is_flag=True, help="Have texts in capitals alone read in title case.")
@click.option("--scheme", help="Label scheme, such as iob2; found from the labels if not given.")
@click.option("--revision", help="Branch, tag or commit of a model on the hub.")
@click.option("--source", help="Where the model comes from, for the manifest.")
@click.option("--license", "licence", help="Licence of the model, for the manifest.")
@click.option("--card", type=click.Path(), help="JSON object of further facts, for the manifest.")
@click.option("--runtime", type=click.Choice(GPU_RUNTIMES), help="Also build an engine for a GPU.")
@click.option("--sm", help="GPUs to build for, such as 86,89; this machine's if not given.")
@click.option(
    "--batch-tokens", type=click.IntRange(min=1), help="Padded subwords a batch of the engine."
)
@click.option("--lengths", type=click.Path(), help="Text whose lengths the engine is tuned for.")
@click.option("--workspace", type=click.IntRange(min=1), help="MiB of GPU memory it may work in.")
def command(
    model: str,
    output: Path | None,
    precision: str | None,
    verify: str | None,
    revision: str | None,
    source: str | None,
    licence: str | None,
    card: str | None,
    runtime: str | None,
    sm: str | None,
    batch_tokens: int | None,
    lengths: str | None,
    workspace: int | None,
    **options: Any,
) -> None:
    """Turns a Hugging Face token classifier into a bundle that `nerx tag -m` runs.

    MODEL is a folder or a hub id, or a bundle (the built-in `en` if none is given), whose weights
    are then exported anew. Each artifact is kept only if its labels agree with those of PyTorch in
    fp32 on the --verify text: all of them for fp32; for int8, F1 within 0.3 points on gold data,
    or 99.5 % of words where there are no gold tags.

    With --runtime, an engine is built too, into the cache of this machine; of a bundle without -o,
    nothing else.
    """
    engine: dict[str, Any] = {"sms": _read_sms(sm), "lengths": lengths, "workspace_mib": workspace}
    engine |= {"batch_tokens": batch_tokens} if batch_tokens else {}
    if runtime is None and any(engine.values()):
        raise click.UsageError("--sm, --batch-tokens, --lengths and --workspace need --runtime")
    engine["runtime"] = runtime
    held = held_bundle(model)
    if held and revision:
        raise ConfigError(f"{model} is a bundle; only models on the hub have a --revision")
    if runtime and held and output is None:
        _build_engine(held, engine | {"precision": precision or "fp16"}, verify)
        return
    output = output or Path(f"{Path(held.name if held else model).name}-bundle")
    precisions = precision or ("fp16" if runtime else _ARTIFACTS)
    try:
        from ...export.build import ExportConfig, export_again, export_bundle
    except ImportError as error:
        raise ConfigError(
            f"exporting needs more than tagging does ({error}): "
            "run `pip install 'nerx-engine[export]'`"
        ) from error
    config = ExportConfig(
        precisions=tuple(item.strip() for item in precisions.split(",")),
        verify=verify,
        revision=revision,
        source={key: value for key, value in (("model", source), ("licence", licence)) if value},
        card=_read_card(card) if card else {},
        **options,
    )
    if held:
        bundle, reports = export_again(held, output, config, say)
    else:
        bundle, reports = export_bundle(model, output, config, say)
    _show(reports)
    click.echo(f"{output}: {bundle.size_bytes / 1e6:.1f} MB", err=True)
    if runtime:
        engine["precision"] = "fp16" if "fp16" in config.precisions else "fp32"
        _build_engine(bundle, engine, verify)


def _show(reports: Sequence["Parity"]) -> None:
    """A table of what the gate measured."""
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
    if any(report.f1_reference == 0.0 for report in reports):
        click.echo(
            "F1 is 0 by PyTorch's own labels: the model finds nothing of the gold data, so that no"
            " loss of F1 could show; is it trained, and on labels such as these?",
            err=True,
        )


def _build_engine(bundle: Bundle, options: dict[str, Any], verify: str | None) -> None:
    from ...export.tensorrt import EngineConfig, build_engine, why_not_here

    stored = build_engine(bundle, EngineConfig(text=verify, **options), say)
    reason = why_not_here(stored)
    try:
        if not reason:
            from ...export.engine_gate import gate_engine

            _show([gate_engine(bundle, stored, verify)])
    except ImportError as error:
        reason = f"that needs the extra export ({error})"
    if reason:
        click.echo(f"the engine's labels have not been compared: {reason}", err=True)
    click.echo(stored.path)


def _read_sms(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(item) for item in text.split(",")) if text else ()
    except ValueError:
        raise click.UsageError(f"--sm is {text!r}; expected numbers such as 86,89") from None


def _read_card(path: str) -> dict[str, Any]:
    try:
        card = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(card, dict):
        raise ConfigError(f'{path} holds no JSON object; expected something like {{"task": ...}}')
    return card
