"""`nerx tag`: stream a corpus through a model."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nerx.engine.bundle import Bundle
from nerx.engine.cli import REJECTED
from nerx.engine.commands.options import label_options, model_options
from nerx.engine.config import LabelConfig
from nerx.engine.errors import ConfigError, InputError, NerxError
from nerx.engine.formats.registry import FORMATS, TARGETS, find_format, open_format, open_writer
from nerx.engine.labelling import Labeller
from nerx.engine.sink import Sink, render_reject
from nerx.engine.source import Source
from nerx.engine.stream import BLOCK_BYTES, label_stream
from nerx.engine.tagger import open_labeller
from nerx.engine.types import Counts, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What is read and written, and how."""

    inputs: tuple[str, ...]
    output: str
    force: bool
    format: str | None
    to: str | None
    text_key: str | None
    tokens_key: str | None
    on_error: str
    rejects: str | None
    max_errors: int | None

    def __post_init__(self) -> None:
        if self.on_error == "skip" and self.rejects is None:
            raise ConfigError("--on-error skip needs --rejects FILE, so that no record is lost")
        if self.on_error == "fail" and (self.rejects or self.max_errors is not None):
            raise ConfigError("--rejects and --max-errors need --on-error skip")


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
    "--on-error",
    type=click.Choice(("fail", "skip")),
    default="fail",
    show_default=True,
    help="At a bad record: stop, or set it aside and go on.",
)
@click.option("--rejects", help="File for the records set aside, with the reason of each.")
@click.option("--max-errors", type=click.IntRange(min=0), help="Stop after more bad records.")
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
    config = LabelConfig(
        **{name: options.pop(name) for name in LabelConfig.__slots__ if name in options}
    )
    files = _Files(inputs=inputs or _stdin(), **options)
    for path in files.inputs:
        Source(path).close()  # a name that cannot be read ends the run before it begins
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(files.output, force=files.force))
        rejects = (
            stack.enter_context(Sink(files.rejects, force=files.force)) if files.rejects else None
        )
        labeller = stack.enter_context(
            open_labeller(Bundle.load(model), backend, precision, "auto", config)
        )
        run = _Run(files, labeller, rejects)
        with _progress(files.inputs, quiet) as bar:
            for data in run.outputs(bar):
                sink.write(data)
    if not quiet:
        click.echo(run.summary(), err=True)
    return REJECTED if run.counts.rejected else 0


@dataclass(slots=True)
class _Run:
    """One run over all inputs."""

    files: _Files
    labeller: Labeller
    rejects: Sink | None
    counts: Counts = field(default_factory=Counts)
    started: float = field(default_factory=time.perf_counter)

    def outputs(self, bar: "tqdm[Any]") -> Iterator[bytes]:
        """The output of each block."""
        for path in self.files.inputs:
            with Source(path) as source:
                yield from self._outputs_of(source, bar)
        counts = self.counts
        if counts.read != counts.records + counts.rejected:
            raise NerxError(
                f"{counts.read} records went in, {counts.records} came out and"
                f" {counts.rejected} were rejected; please report this"
            )

    def _outputs_of(self, source: Source, bar: "tqdm[Any]") -> Iterator[bytes]:
        files = self.files
        head = source.peek() if source.path == "-" and files.format is None else b""
        kind = files.format or find_format(source.path, head)
        reader = open_format(kind, source.path, files.text_key, files.tokens_key)
        writer = open_writer(files.to, kind, self.labeller.scheme)

        def reject(record: Record) -> None:
            self._reject(source.name, record)

        blocks = source.blocks(reader, BLOCK_BYTES)
        before = 0
        for block in label_stream(blocks, reader, self.labeller, self.counts, reject):
            yield writer.render(block)
            bar.set_postfix_str(f"{self._words_per_s():,.0f} words/s", refresh=False)
            bar.update(source.read_bytes - before)
            before = source.read_bytes

    def _reject(self, source: str, record: Record) -> None:
        where = f"{source}:{record.line}"
        if self.rejects is None:
            raise InputError(f"{where}: {record.error}")
        self.rejects.write(render_reject(source, record))
        most = self.files.max_errors
        if most is not None and self.counts.rejected > most:
            raise InputError(
                f"{where}: bad record {most + 1:,} of at most {most:,}: {record.error}"
            )

    def _words_per_s(self) -> float:
        return self.counts.words / (time.perf_counter() - self.started)

    def summary(self) -> str:
        """The closing line."""
        counts = self.counts
        kind = "words found" if self.labeller.scheme.segmentation else "entities"
        unit = "characters" if self.labeller.scheme.segmentation else "words"
        seconds = time.perf_counter() - self.started
        text = (
            f"{counts.records:,} records, {counts.words:,} {unit}, {counts.spans:,} {kind}"
            f" in {seconds:.1f} s ({self._words_per_s():,.0f} {unit}/s,"
            f" {self.labeller.backend.name} {self.labeller.backend.precision})"
        )
        if counts.rejected:
            text += f"; {counts.rejected:,} rejected, see {self.files.rejects}"
        return text


def _stdin() -> tuple[str, ...]:
    if sys.stdin.isatty():
        raise click.UsageError('no input: name a file, or "-" to type text')
    return ("-",)


def _progress(inputs: tuple[str, ...], quiet: bool) -> "tqdm[Any]":
    """A bar over the bytes read, on a terminal only."""
    sizes = [Path(path).stat().st_size for path in inputs if path != "-"]
    return tqdm(
        total=sum(sizes) or None,
        unit="B",
        unit_scale=True,
        disable=quiet or not sys.stderr.isatty(),
        file=sys.stderr,
    )
