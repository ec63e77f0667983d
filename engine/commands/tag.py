"""`nerx tag`: stream a corpus through a model."""

import glob
import os
import sys
import time
from typing import Any

import click
from tqdm import tqdm

from nerx.engine.bundle import Bundle
from nerx.engine.cli import REJECTED
from nerx.engine.commands.options import label_options, model_options
from nerx.engine.config import LabelConfig
from nerx.engine.errors import InputError, NerxError
from nerx.engine.formats.registry import FORMATS, TARGETS
from nerx.engine.interrupts import graceful
from nerx.engine.model import Model
from nerx.engine.run import Run, RunConfig
from nerx.engine.source import Source

_PATIENCE_S = 3.0  # what a block in flight may still take after an interrupt


@click.command("tag")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("-o", "--output", default="-", help="Output file; .gz and .zst compress it.")
@model_options
@click.option("--format", type=click.Choice(FORMATS), help="Input format, if not by its suffix.")
@click.option("--to", type=click.Choice(TARGETS), help="Output format, if not the input's own.")
@click.option("--text-key", help="JSONL key of the text  [default: text]")
@click.option("--tokens-key", help="JSONL key of given words  [default: tokens]")
@label_options
@click.option("--min-score", default=0.0, help="Drop entities with a lower score.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    help="Processes that parse and render, where a thread is too slow for the model.",
)
@click.option(
    "--on-error",
    type=click.Choice(("fail", "skip")),
    default="fail",
    show_default=True,
    help="At a bad record: stop, or set it aside and go on.",
)
@click.option("--rejects", help="File for the records set aside, with the reason of each.")
@click.option("--max-errors", type=click.IntRange(min=0), help="Stop after more bad records.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def command(
    inputs: tuple[str, ...],
    model: str,
    backend: str,
    precision: str,
    quiet: bool,
    **options: Any,
) -> int:
    """Label corpora: entities, or words of Chinese text.

    Reads JSONL, CoNLL or plain text (.gz and .zst too) from INPUT, or from standard input if there
    is none or it is "-".
    """
    label_config = LabelConfig(
        **{name: options.pop(name) for name in LabelConfig.__slots__ if name in options}
    )
    config = RunConfig(inputs=_expand(inputs), **options)
    bundle = Bundle.load(model)
    with (
        Model(bundle, backend=backend, precision=precision, config=label_config) as loaded,
        Run(config, loaded) as run,
    ):
        try:
            seconds = _stream(run, config.inputs, quiet)
        except (KeyboardInterrupt, NerxError):
            if run.resumable:
                done = f"{run.progress.read:,} records are done"
                click.echo(f"{done}; the same command with --resume goes on", err=True)
            raise
    if not quiet:
        click.echo(_summary(run, loaded, seconds, config.rejects), err=True)
    return REJECTED if run.progress.rejected else 0


def _expand(inputs: tuple[str, ...]) -> tuple[str, ...]:
    """The inputs with patterns replaced by the files they match; each can be opened."""
    if not inputs:
        if sys.stdin.isatty():
            raise click.UsageError('no input: name a file, or "-" to type text')
        return ("-",)
    paths: list[str] = []
    for name in inputs:
        if name == "-" or os.path.exists(name) or not glob.has_magic(name):
            paths.append(name)
        elif found := sorted(glob.glob(name, recursive=True)):
            paths += found
        else:
            raise InputError(f"{name} matches no file")
    for path in paths:
        Source(path).close()  # what cannot be read ends the run before it begins
    return tuple(paths)


def _stream(run: Run, inputs: tuple[str, ...], quiet: bool) -> float:
    """Does the run behind a progress bar, on a terminal only; returns its seconds."""
    sizes = [os.path.getsize(path) for path in inputs if path != "-"]
    started = time.perf_counter()
    words_before = run.progress.words
    with (
        graceful(_PATIENCE_S if run.resumable else 0) as end_asked,
        tqdm(
            total=sum(sizes) if len(sizes) == len(inputs) else None,
            unit="B",
            unit_scale=True,
            disable=quiet or not sys.stderr.isatty(),
        ) as bar,
    ):
        for progress in run:
            rate = (progress.words - words_before) / (time.perf_counter() - started)
            bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
            bar.update(run.bytes_read - bar.n)
            if end_asked():
                raise KeyboardInterrupt
    return time.perf_counter() - started


def _summary(run: Run, model: Model, seconds: float, rejects: str | None) -> str:
    """The closing line."""
    progress = run.progress
    segmentation = model.scheme.segmentation
    unit, found = ("characters", "words") if segmentation else ("words", "entities")
    text = (
        f"{progress.records:,} records, {progress.words:,} {unit}, {progress.spans:,} {found}"
        f" in {seconds:.1f} s ({progress.words / seconds:,.0f} {unit}/s,"
        f" {model.backend.name} {model.backend.precision})"
    )
    if progress.rejected:
        text += f"; {progress.rejected:,} rejected, see {rejects}"
    return text
