"""One run of `nerx tag`: inputs to one output, resumable."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nerx.engine.bundle import Bundle
from nerx.engine.config import LabelConfig
from nerx.engine.errors import ConfigError, InputError
from nerx.engine.formats.base import Reader, Writer
from nerx.engine.formats.registry import find_format, open_format, open_writer
from nerx.engine.journal import Fingerprint, Journal, Progress
from nerx.engine.model import Model, open_encoder
from nerx.engine.schemes import Scheme
from nerx.engine.sink import Sink, is_file, render_reject
from nerx.engine.source import Source
from nerx.engine.stream import BLOCK_BYTES, InputBlock, label_stream
from nerx.engine.types import Record
from nerx.engine.work import FinishedBlock, Worker
from nerx.engine.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is read and written, and how.

    inputs: paths, or "-" for stdin
    output: a path, or "-" for stdout
    format, to, text_key, tokens_key: as `nerx.engine.formats.registry` takes them
    on_error: "fail" at the first bad record, or "skip" it into the file `rejects`
    max_errors: bad records that are borne, None for any number
    force: overwrite the outputs
    resume: go on where an interrupted run with the same output stopped
    workers: processes that parse and render; 0 for a thread
    """

    inputs: tuple[str, ...]
    output: str = "-"
    format: str | None = None
    to: str | None = None
    text_key: str | None = None
    tokens_key: str | None = None
    on_error: str = "fail"
    rejects: str | None = None
    max_errors: int | None = None
    force: bool = False
    resume: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        if self.on_error == "skip" and self.rejects is None:
            raise ConfigError("--on-error skip needs --rejects FILE, so that no record is lost")
        if self.on_error == "fail" and (self.rejects or self.max_errors is not None):
            raise ConfigError("--rejects and --max-errors need --on-error skip")
        if self.resume and "-" in (self.output, *self.inputs):
            raise ConfigError("--resume needs files for input and output, not a pipe")
        if self.resume and self.force:
            raise ConfigError("--resume goes on with a run, --force starts it anew; give one")


class Run(AbstractContextManager["Run"]):
    """Streams the inputs through a model; iterate over it to do the work, block by block.

    Raises:
        ConfigError: an output exists, or an unfinished one; or the run cannot be resumed.
    """

    def __init__(self, config: RunConfig, model: Model) -> None:
        self.progress = Progress()
        self.bytes_read = 0  # of the inputs, as stored
        self._config = config
        self._model = model
        self._stdin: Source | None = None
        self._kinds = [config.format or self._find_format(path) for path in config.inputs]
        self._make_worker = self._worker_maker()
        self._journal: Journal | None = None
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()

    @property
    def resumable(self) -> bool:
        """Whether `--resume` can go on with this run if it ends early."""
        return self._journal is not None and "-" not in self._config.inputs

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def __iter__(self) -> Iterator[Progress]:
        with Workers(self._make_worker, self._config.workers) as workers:
            for item, finished in label_stream(self._blocks(), workers, self._model.labeller):
                self._write(item, finished)
                yield self.progress
        if self._rejects:
            self._rejects.close()
        self._sink.close()
        if self._journal:
            self._journal.remove()

    def _open(self, stack: ExitStack) -> None:
        config = self._config
        journal = Path(config.output + ".journal")
        journaled = is_file(config.output)
        resumed = config.resume and journal.exists()
        if journaled and journal.exists() and not (config.resume or config.force):
            raise ConfigError(
                f"{config.output}.part is of an unfinished run; go on with --resume, or start anew"
                " with --force"
            )
        if resumed:
            self._journal, self.progress = Journal.resume(journal, self._fingerprint())
        at = (self.progress.output_bytes, self.progress.rejects_bytes) if resumed else (None, None)
        self._sink = self._open_sink(stack, config.output, at[0])
        self._rejects = self._open_sink(stack, config.rejects, at[1]) if config.rejects else None
        if journaled and not resumed:
            self._journal = Journal.start(journal, self._fingerprint())
        if self._journal:
            stack.callback(self._journal.close)

    def _open_sink(self, stack: ExitStack, path: str, resume_at: int | None) -> Sink:
        sink = Sink(path, force=self._config.force, resume_at=resume_at)
        stack.callback(sink.abandon)
        return sink

    def _fingerprint(self) -> Fingerprint:
        """All that the output depends on, and where it goes."""
        config = asdict(self._config)
        for name in ("inputs", "output", "force", "resume", "workers"):
            del config[name]
        backend = self._model.backend
        return {
            "nerx": version("nerx-engine"),
            "model": self._model.bundle.digest,
            "backend": [backend.name, backend.precision, backend.device],
            "labelling": asdict(self._model.config),
            "inputs": [_identity(path) for path in self._config.inputs],
            "formats": self._kinds,
            **config,
        }

    def _find_format(self, path: str) -> str:
        if path != "-":
            return find_format(path)
        self._stdin = Source(path)
        return find_format(path, self._stdin.peek())

    def _worker_maker(self) -> Callable[[], Worker]:
        """What makes a worker: here with the model's own encoder, in a process with a new one."""
        config, model = self._config, self._model
        kinds = frozenset(self._kinds)
        formats = _formats(config, kinds, model.scheme)  # refuses now what cannot work
        if config.workers:
            return partial(_make_worker, model.bundle, model.config, config, kinds)
        return partial(Worker, formats, model.encoder, model.scheme, model.config)

    def _blocks(self) -> Iterator[InputBlock]:
        number = 0
        start = self.progress.source
        offset, line = self.progress.offset, self.progress.line
        for source_number in range(start, len(self._config.inputs)):
            path, kind = self._config.inputs[source_number], self._kinds[source_number]
            reader = open_format(kind, path, self._config.text_key, self._config.tokens_key)
            before = self.bytes_read
            with self._stdin if path == "-" and self._stdin else Source(path) as source:
                for block in source.blocks(reader, BLOCK_BYTES, start=offset, first_line=line):
                    self.bytes_read = before + source.read_bytes
                    yield InputBlock(number, source_number, source.name, kind, block)
                    number += 1
            offset, line = 0, 1

    def _write(self, item: InputBlock, finished: FinishedBlock) -> None:
        progress = self.progress
        if finished.rejected:
            self._reject(item.source, finished.rejected)
        self._sink.write(finished.output)
        progress.source = item.source_number
        progress.offset = item.block.end
        progress.line = item.block.line + item.block.lines
        progress.output_bytes = self._sink.size
        progress.records += finished.records
        progress.words += finished.words
        progress.spans += finished.spans
        if self._journal:
            self._sink.sync()
            if self._rejects:
                self._rejects.sync()
            self._journal.append(progress)

    def _reject(self, source: str, records: list[Record]) -> None:
        first = records[0]
        if self._rejects is None:
            raise InputError(f"{source}:{first.line}: {first.error}")
        self._rejects.write(b"".join(render_reject(source, record) for record in records))
        self.progress.rejected += len(records)
        self.progress.rejects_bytes = self._rejects.size
        most = self._config.max_errors
        if most is not None and self.progress.rejected > most:
            raise InputError(
                f"{source}:{records[-1].line}: {self.progress.rejected:,} bad records, of which"
                f" --max-errors allows {most:,}; the last one: {records[-1].error}"
            )


def _formats(
    config: RunConfig, kinds: Iterable[str], scheme: Scheme
) -> dict[str, tuple[Reader, Writer]]:
    return {
        kind: (
            open_format(kind, config.inputs[0], config.text_key, config.tokens_key),
            open_writer(config.to, kind, scheme),
        )
        for kind in kinds
    }


def _make_worker(
    bundle: Bundle, label_config: LabelConfig, config: RunConfig, kinds: frozenset[str]
) -> Worker:
    scheme = Scheme.from_labels(bundle.labels, bundle.scheme)
    encoder = open_encoder(bundle, label_config.overlap)
    return Worker(_formats(config, kinds, scheme), encoder, scheme, label_config)


def _identity(path: str) -> list[str | int]:
    """What tells one state of an input from another."""
    if path == "-":
        return [path]
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]
