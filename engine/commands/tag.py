"""`nerx tag`: stream a corpus through a model."""

import glob
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import click
from tqdm import tqdm

from ..bundles.find import find_bundle
from ..config import REDACTIONS, LabelConfig, RunConfig
from ..errors import ConfigError, InputError
from ..files.remote import expand, identity, is_url
from ..files.sink import refuse_existing, write_file
from ..files.source import Source
from ..formats.registry import FORMATS, TARGETS
from ..model import Model
from ..run.interrupts import Interrupts
from ..run.run import Run
from .exit_codes import REJECTED
from .options import (
    Workers,
    given,
    label_options,
    model_options,
    threads_option,
    token_column_option,
)

_PATIENCE_S = 2.5  # what a block in flight may still take after an interrupt


@click.command("tag")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("-o", "--output", default="-", help="Output file; .gz and .zst compress it.")
@click.option("--output-dir", help="Folder for an output of each input, instead of one for all.")
@model_options
@click.option("--format", type=click.Choice(FORMATS), help="Input format, if not as it looks.")
@click.option(
    "--to",
    type=click.Choice((*TARGETS, "html")),
    help="Output format, if not the input's own; on a terminal, pretty.",
)
@click.option(
    "--redact",
    type=click.Choice(REDACTIONS),
    help="For --to redacted, what stands in a name's place  [default: label]",
)
@click.option(
    "--redact-key", type=click.File("rb"), help="File of a secret key, for --redact hash."
)
@click.option("--text-key", help="JSONL key or column of the text  [default: text]")
@click.option("--tokens-key", help="JSONL key or column of given words  [default: tokens]")
@token_column_option
@click.option("--columns", help="Columns of a table to carry over, as in id,url  [default: all]")
@label_options
@click.option("--min-score", default=0.0, help="Drop entities with a lower score.")
@click.option(
    "--workers",
    type=Workers(),
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="Processes that parse and render; auto starts some where a thread is too slow.",
)
@threads_option
@click.option(
    "--on-error",
    type=click.Choice(("fail", "skip")),
    default="fail",
    show_default=True,
    help="At a bad record: stop, or set it aside and go on.",
)
@click.option("--rejects", help="File for the records set aside, with the reason of each.")
@click.option("--max-errors", type=click.IntRange(min=0), help="Stop after more bad records.")
@click.option("--limit", type=click.IntRange(min=0), help="Read so many records at most.")
@click.option("--shard", metavar="K/N", help="Do the K-th of N parts of a job: others do the rest.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--force", is_flag=True, help="Overwrite what is written.")
@click.option("--cluster", type=click.Choice(("ray",)), help="Label on many machines.")
@click.option("--address", help="Of the cluster  [default: $RAY_ADDRESS, else start one here]")
@click.option("--actor-cpus", type=click.IntRange(min=1), default=1, help="Cores of an actor.")
@click.option("--id-column", help="A column that tells rows apart, by which a job is resumed.")
@click.option("--stats", help="JSON file for counts, times, padding and memory of the run.")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def command(
    inputs: tuple[str, ...],
    model: str,
    revision: str | None,
    backend: str,
    precision: str,
    device: str,
    shard: str | None,
    cluster: str | None,
    quiet: bool,
    redact_key: BinaryIO | None,
    **options: Any,
) -> int:
    """Label corpora: entities, or words of Chinese text.

    Reads JSONL, CoNLL, CoNLL-U or plain text (.gz and .zst too), Parquet or Arrow files from INPUT,
    a path or a URL such as s3://bucket/*.parquet; or from standard input if there is none or it is
    "-".
    """
    label_config = LabelConfig(
        **{name: options.pop(name) for name in LabelConfig.__slots__ if name in options}
    )
    if cluster:
        from .cluster import tag_on_ray

        tag_on_ray(_expand(inputs), label_config, click.get_current_context().params)
        return 0
    for name in ("address", "actor_cpus", "id_column"):
        if given(name):
            raise ConfigError(f"--{name.replace('_', '-')} needs --cluster ray")
        del options[name]
    if redact_key is not None:
        options["redact_key"] = redact_key.read().strip()
    with Interrupts() as interrupts, ExitStack() as stack:
        page = _turn_to_page(options, stack) if options["to"] == "html" else None
        inputs = _expand(inputs)
        _turn_to_terminal(options)
        config = _share(inputs, shard, options)
        bundle = find_bundle(model, revision)
        loaded = stack.enter_context(
            Model(bundle, backend=backend, precision=precision, device=device, config=label_config)
        )
        run = stack.enter_context(Run(config, loaded))
        interrupts.patience_s = _PATIENCE_S if run.resumable else 0.0
        try:
            _stream(run, config, quiet, interrupts)
        except BrokenPipeError:
            raise
        except BaseException:
            if run.resumable and not page:
                done = f"{run.progress.read:,} records are done"
                click.echo(f"{done}; the same command with --resume goes on", err=True)
            raise
        finally:
            if config.stats is not None and not run.already_done:
                stats = json.dumps(run.stats(), indent=1) + "\n"
                write_file(config.stats, stats.encode(), force=True)  # it was refused before
        if page is not None:
            page(config)
    if run.already_done:
        click.echo(f"already done: {config.output_dir or config.output} is whole", err=True)
    elif not quiet:
        click.echo(_summary(run, loaded, config.rejects), err=True)
    return REJECTED if run.progress.rejected else 0


def _turn_to_terminal(options: dict[str, Any]) -> None:
    """What people read at a terminal is text, in colour unless they do not want any."""
    at_terminal = options["output"] == "-" and sys.stdout.isatty()
    if at_terminal and options["to"] is None and options["output_dir"] is None:
        options["to"] = "pretty"
    options["colour"] = at_terminal and not os.environ.get("NO_COLOR")


def _turn_to_page(options: dict[str, Any], stack: ExitStack) -> Callable[[RunConfig], None]:
    """Lets the labels go to a file that is thrown away once a page is made of it."""
    from ..view.page import open_environment
    from ..view.view import view

    if options["output_dir"] is not None or options["resume"]:
        raise ConfigError("--to html makes one page, at once: give -o, and no --resume")
    path, force = options["output"], options["force"]
    refuse_existing([path], force=force)
    open_environment()  # what is not installed is said before the work is done
    folder = stack.enter_context(TemporaryDirectory(prefix="nerx-"))
    options |= {"to": "jsonl", "output": os.path.join(folder, "labelled.jsonl")}

    def make(config: RunConfig) -> None:
        title = " and ".join(map(os.path.basename, config.inputs))
        write_file(path, view(config.output, title=title), force=force)

    return make


def _expand(inputs: tuple[str, ...]) -> tuple[str, ...]:
    """The inputs with patterns replaced by the files they match; each can be opened."""
    if not inputs:
        if sys.stdin.isatty():
            raise click.UsageError('no input: name a file, or "-" to type text')
        return ("-",)
    paths: list[str] = []
    for name in inputs:
        if name == "-" or os.path.exists(name):
            paths.append(name)
        elif found := expand(name) if is_url(name) else _matching(name):
            paths += found
        else:
            raise InputError(f"{name} matches no file")
    for path in paths:
        if not Path(path).is_fifo():  # to open that one waits, and to close it ends its writer
            Source(path).close()  # what cannot be read ends the run before it begins
    return tuple(paths)


def _matching(name: str) -> list[str]:
    return sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else [name]


def _share(inputs: tuple[str, ...], shard: str | None, options: dict[str, Any]) -> RunConfig:
    """The run of all inputs, or of a shard: some of them or, where they are few, a part of each."""
    if shard is None:
        return RunConfig(inputs=inputs, **options)
    number, slash, count = shard.partition("/")
    if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise ConfigError(f"--shard is {shard!r}; expected K/N with K from 1 to N, such as 3/8")
    at, parts = int(number) - 1, int(count)
    cut = len(inputs) < parts
    return RunConfig(
        inputs=inputs if cut else inputs[at::parts], shard=(at, parts), cut=cut, **options
    )


def _stream(run: Run, config: RunConfig, quiet: bool, interrupts: Interrupts) -> None:
    """Does the run behind a progress bar, on a terminal only."""
    sizes = [identity(path)[0] for path in config.inputs if path != "-"]
    share = config.shard[1] if config.shard and config.cut else 1
    with tqdm(
        total=sum(sizes) // share if len(sizes) == len(config.inputs) else None,
        unit="B",
        unit_scale=True,
        disable=quiet or not sys.stderr.isatty(),
    ) as bar:
        for _ in run:
            bar.set_postfix_str(f"{run.words_per_s:,.0f} words/s", refresh=False)
            bar.update(run.bytes_read - bar.n)
            if interrupts.asked:
                raise KeyboardInterrupt


def _summary(run: Run, model: Model, rejects: str | None) -> str:
    """The closing line, and how much was found of each type."""
    progress = run.progress
    segmentation = model.scheme.segmentation
    unit, found = ("characters", "words") if segmentation else ("words", "entities")
    text = (
        f"{progress.records:,} records, {progress.words:,} {unit}, {progress.spans:,} {found}"
        f" in {run.seconds:.1f} s ({run.words_per_s:,.0f} {unit}/s,"
        f" {model.bundle.name}, {model.backend.name} {model.backend.precision})"
    )
    if progress.rejected:
        text += f"; {progress.rejected:,} rejected, see {rejects}"
    if segmentation or not progress.spans:
        return text
    ranked = [item for item in Counter(progress.types).most_common() if item[1]]
    width = max(len(name) for name, _ in ranked)
    rows = [f"  {name:{width}}{n:12,}{n / progress.spans:8.1%}" for name, n in ranked]
    return "\n".join([text, *rows])
