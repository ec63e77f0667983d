"""One run of `nerx tag`: inputs to outputs, resumable."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..config import LabelConfig, RunConfig
from ..errors import ConfigError, InputError, NerxError
from ..files.outputs import Outputs, name_outputs, refuse_clashes, refuse_existing
from ..files.sink import Sink, is_file, render_reject
from ..files.source import Source
from ..formats.base import Reader, Writer
from ..formats.conll import end_sentence
from ..formats.registry import find_format, find_target, open_format, open_writer
from ..labels.schemes import Scheme
from ..model import Model, open_encoder
from ..types import Record
from .journal import Fingerprint, Journal, Progress
from .stats import peak_memory_mb
from .stream import InputBlock, default_block_bytes, label_stream
from .work import FinishedBlock, Worker
from .workers import Workers


class Run(AbstractContextManager["Run"]):
    """Streams the inputs through a model; iterate over it to do the work, block by block.

    Raises:
        ConfigError: an output exists, or an unfinished one; or the run cannot be resumed.
    """

    def __init__(self, config: RunConfig, model: Model) -> None:
        self.progress = Progress()
        self.done_before = Progress()  # by the runs that this one resumes
        self.bytes_read = 0  # of the inputs, as stored
        self.seconds = 0.0
        self._config = config
        self._model = model
        self._stdin: Source | None = None
        self._kinds = [config.format or self._find_format(path) for path in config.inputs]
        self._block_bytes = config.block_bytes or default_block_bytes(model.backend.device)
        self._journal: Journal | None = None
        self._worker_memory_mb = 0.0
        make_worker = self._worker_maker()
        with ExitStack() as stack:
            self._open(stack)
            self._workers = stack.enter_context(Workers(make_worker, config.workers))
            self._stack = stack.pop_all()

    @property
    def resumable(self) -> bool:
        """Whether `--resume` can go on with this run if it ends early."""
        return self._journal is not None and all(map(os.path.isfile, self._config.inputs))

    @property
    def words_per_s(self) -> float:
        """Words labelled by this process, a second."""
        return (self.progress.words - self.done_before.words) / max(self.seconds, 1e-9)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def __iter__(self) -> Iterator[Progress]:
        began = time.perf_counter()
        config, labeller = self._config, self._model.labeller
        clock = labeller.clock
        stream = label_stream(self._blocks(), self._workers, labeller, self._block_bytes)
        for item, finished in stream:
            clock.add("encode", finished.encode_s)
            clock.add("render", finished.render_s)
            if config.workers:
                self._worker_memory_mb = max(self._worker_memory_mb, finished.memory_mb)
            with clock.measure("write"):
                self._write(item, finished)
            self.seconds = time.perf_counter() - began
            yield self.progress
        if self._rejects:
            self._rejects.close()
        self._outputs.close()
        if self._journal:
            self._journal.remove()
        self.seconds = time.perf_counter() - began

    def stats(self) -> dict[str, Any]:
        """Counts of the whole output; times, padding and memory of this process alone."""
        model, labeller = self._model, self._model.labeller
        subwords, places = labeller.subwords, labeller.padded_subwords
        clock = labeller.clock
        now, before = self.progress, self.done_before
        return {
            "nerx": version("nerx-engine"),
            "model": model.bundle.name,
            "backend": [model.backend.name, model.backend.precision, model.backend.device],
            "streams": model.backend.streams,
            "workers": self._config.workers,
            "block_bytes": self._block_bytes,
            "batch_tokens": model.config.batch_tokens or model.backend.batch_tokens,
            "inputs": len(self._config.inputs),
            "read": now.read,
            "records": now.records,
            "rejected": now.rejected,
            "words": now.words,
            "spans": now.spans,
            "read_before_resume": before.read,
            "seconds": round(self.seconds, 3),
            "words_per_s": round(self.words_per_s),
            "stage_s": clock.seconds("read", "encode", "batch", "run", "label", "render", "write"),
            "wait_s": clock.seconds("input", "workers", "model"),
            "subwords": subwords,
            "padded_subwords": places,
            "padding": round(1 - subwords / places, 5) if places else 0.0,
            "peak_memory_mb": peak_memory_mb(),
            "peak_memory_of_a_worker_mb": self._worker_memory_mb,
        }

    def _open(self, stack: ExitStack) -> None:
        config = self._config
        paths, name = [config.output] * len(config.inputs), Path(config.output + ".journal")
        if config.output_dir is not None:
            os.makedirs(config.output_dir, exist_ok=True)
            paths = name_outputs(config.output_dir, config.inputs, self._kinds, config.to)
            name = Path(config.output_dir, "nerx.journal")
        refuse_clashes(config.inputs, paths, config.rejects)
        known = is_file(paths[0]) and name.exists()
        if known and not (config.resume or config.force):
            raise ConfigError(
                f"{name} is of an unfinished run; go on with --resume, or start anew with --force"
            )
        if not known and not config.force:
            refuse_existing(paths)
        resumed = False
        if is_file(paths[0]):
            self._journal = stack.enter_context(Journal(name))
            resumed = known and config.resume and self._resume(self._journal)
        with ExitStack() as unbegun:
            if self._journal and not resumed:
                unbegun.callback(self._journal.remove)
            self._open_outputs(stack, paths, resumed)
            if self._journal and not resumed:
                self._journal.start(self._fingerprint())
            unbegun.pop_all()

    def _resume(self, journal: Journal) -> bool:
        """Takes over the progress of the journal, if it tells of any."""
        progress = journal.resume(self._fingerprint())
        if progress is None:
            return False
        if progress.rejects_bytes and self._config.rejects is None:
            raise ConfigError(
                f"the run has set {progress.rejected:,} records aside; resume it with its"
                " --on-error skip --rejects FILE"
            )
        self.progress, self.done_before = progress, replace(progress)
        return True

    def _open_outputs(self, stack: ExitStack, paths: list[str], resumed: bool) -> None:
        config, at = self._config, self.progress
        self._outputs = Outputs(paths, (at.source, at.output_bytes if resumed else None))
        stack.callback(self._outputs.abandon)
        self._rejects: Sink | None = None
        if config.rejects is not None:
            resume_at = at.rejects_bytes or None
            self._rejects = Sink(config.rejects, force=config.force, resume_at=resume_at)
            stack.callback(self._rejects.abandon)

    def _fingerprint(self) -> Fingerprint:
        """All that the output depends on; bad records may be treated otherwise from now on."""
        backend, config = self._model.backend, self._config
        return {
            "nerx": version("nerx-engine"),
            "model": self._model.bundle.digest,
            "backend": [backend.name, backend.precision, backend.device],
            "labelling": asdict(self._model.config),
            "inputs": [_identity(path) for path in config.inputs],
            "formats": self._kinds,
            "to": config.to,
            "text_key": config.text_key,
            "tokens_key": config.tokens_key,
            "block_bytes": self._block_bytes,
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
        """The blocks that are still to be done; it runs on the thread that reads."""
        number = 0
        start = self.progress.source
        offset, line = self.progress.offset, self.progress.line
        self.bytes_read = sum(map(_size, self._config.inputs[:start]))
        for source_number in range(start, len(self._config.inputs)):
            path, kind = self._config.inputs[source_number], self._kinds[source_number]
            reader = open_format(kind, path, self._config.text_key, self._config.tokens_key)
            before = self.bytes_read
            with self._stdin if path == "-" and self._stdin else Source(path) as source:
                for block in source.blocks(
                    reader, self._block_bytes, start=offset, first_line=line
                ):
                    self.bytes_read = before + source.read_bytes
                    yield InputBlock(number, source_number, source.name, kind, block)
                    number += 1
            offset, line = 0, 1

    def _write(self, item: InputBlock, finished: FinishedBlock) -> None:
        out, bad = finished.records, len(finished.rejected)
        if finished.read != out + bad:
            raise NerxError(
                f"{item.source}, the block at line {item.block.line}: {finished.read} records went"
                f" in, {out} came out and {bad} were set aside; please report this"
            )
        if finished.rejected:
            self._reject(item.source, finished.rejected)
        sink = self._outputs.turn_to(item.source_number)
        rows = find_target(self._config.to, item.kind) == "conll"
        joined = rows and self._outputs.is_shared_with_next(item.source_number)
        sink.write(end_sentence(finished.output) if joined else finished.output)
        progress = self.progress
        progress.source = item.source_number
        progress.offset = item.block.end
        progress.line = item.block.line + item.block.lines
        progress.output_bytes = sink.size
        progress.records += finished.records
        progress.words += finished.words
        progress.spans += finished.spans
        if self._journal:
            sink.sync()
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


def _size(path: str) -> int:
    return 0 if path == "-" else os.path.getsize(path)


def _identity(path: str) -> list[str | int]:
    """What tells one state of an input from another."""
    if path == "-":
        return [path]
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]
