"""One run of `nerx tag`: inputs to outputs, resumable."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from ..config import RunConfig
from ..formats.base import Parser, Writer
from ..formats.registry import TABLES, open_writer
from ..model import Model
from .inputs import Inputs
from .journal import Fingerprint, Progress
from .pool import Pool
from .results import Results
from .stages import Stages
from .stats import Stats
from .stream import default_block_bytes, label_stream
from .workers import workers_at_first, workers_needed


class Run(AbstractContextManager["Run"]):
    """Streams the inputs through a model; iterate over it to do the work, block by block.

    Raises:
        ConfigError: an output exists, or an unfinished one; or the run cannot be resumed.
    """

    def __init__(self, config: RunConfig, model: Model) -> None:
        self.seconds = 0.0
        self._config = config
        self._model = model
        self._stats = Stats()
        self._inputs = Inputs(config)
        self._block_bytes = config.block_bytes or default_block_bytes(model.backend.device)
        stages = self._stages()  # refuses now what cannot work
        with ExitStack() as stack:
            self._results = stack.enter_context(
                Results(config, self._inputs.kinds, self._fingerprint())
            )
            workers = config.workers
            if workers is None:
                workers = workers_at_first(model.backend.device)
            self._pool = stack.enter_context(Pool(stages, workers))
            self._stack = stack.pop_all()

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def __iter__(self) -> Iterator[Progress]:
        if self.already_done:
            return
        began = time.perf_counter()
        blocks = self._inputs.blocks(self._results.progress, self._block_bytes)
        stream = label_stream(
            blocks, self._pool, self._model.labeller, self._block_bytes, self._stats
        )
        for item, finished in stream:
            with self._stats.clock.measure("write"):
                self._results.write(item, finished)
            self.seconds = time.perf_counter() - began
            self._start_workers()
            yield self.progress
        self._results.close()
        self.seconds = time.perf_counter() - began

    def _start_workers(self) -> None:
        """Starts processes in place of the thread, where it has turned out that they are of use."""
        if self._config.workers is None and not self._pool.processes:
            streams = self._model.backend.streams
            if count := workers_needed(self._stats.clock, self.seconds, streams):
                self._pool.grow(count)

    @property
    def progress(self) -> Progress:
        return self._results.progress

    @property
    def done_before(self) -> Progress:
        """The progress of the runs that this one resumes."""
        return self._results.done_before

    @property
    def bytes_read(self) -> int:
        """Bytes of the inputs that were read, as stored."""
        return self._inputs.bytes_read

    @property
    def already_done(self) -> bool:
        """Whether the run that this one was to resume had come to its end."""
        return self._results.done

    @property
    def resumable(self) -> bool:
        """Whether `--resume` can go on with this run if it ends early."""
        return self._results.are_journaled and self._config.inputs_are_files

    @property
    def words_per_s(self) -> float:
        """Words labelled by this process, a second."""
        return (self.progress.words - self.done_before.words) / max(self.seconds, 1e-9)

    def stats(self) -> dict[str, Any]:
        """Counts of the whole output; times, padding and memory of this process alone."""
        model, backend = self._model, self._model.backend
        now, workers = self.progress, self._pool.processes
        return {
            "nerx": version("nerx-engine"),
            "model": model.bundle.name,
            "backend": [backend.name, backend.precision, backend.device],
            "streams": backend.streams,
            "workers": workers,
            "block_bytes": self._block_bytes,
            "batch_tokens": model.config.batch_tokens or backend.batch_tokens,
            "inputs": len(self._config.inputs),
            "read": now.read,
            "records": now.records,
            "rejected": now.rejected,
            "words": now.words,
            "spans": now.spans,
            "types": now.types,
            "read_before_resume": self.done_before.read,
            "seconds": round(self.seconds, 3),
            "words_per_s": round(self.words_per_s),
            **self._stats.summary(),
            "peak_memory_of_a_worker_mb": self._stats.worker_memory_mb if workers else 0.0,
        }

    def _fingerprint(self) -> Fingerprint:
        """All that the output depends on; bad records may be treated otherwise from now on."""
        backend, config = self._model.backend, self._config
        return {
            "nerx": version("nerx-engine"),
            "model": self._model.bundle.digest,
            "backend": [backend.name, backend.precision, backend.device],
            "labelling": asdict(replace(self._model.config, batch_tokens=None)),  # changes no label
            "inputs": self._inputs.identities(),
            "formats": self._inputs.kinds,
            "to": config.to,
            "redact": [config.redact, hashlib.sha256(config.redact_key).hexdigest()],
            "text_key": config.text_key,
            "tokens_key": config.tokens_key,
            "token_column": config.token_column,
            "columns": config.columns,
            "shard": config.shard_name,
            "limit": config.limit,
            "block_bytes": self._block_bytes,
        }

    def _stages(self) -> Stages:
        """What a worker does; where workers are processes, each gets a copy."""
        model, kinds = self._model, set(self._inputs.kinds)
        formats = {kind: self._format(kind) for kind in kinds}
        return Stages(formats, model.encoder, model.scheme, model.config)

    def _format(self, kind: str) -> tuple[Parser, Writer]:
        """What reads an input of a kind, and what writes its labels."""
        config, model = self._config, self._model
        if kind in TABLES and config.to is None:
            from ..formats.tables import TableWriter

            table = self._inputs.table_reader(kind)
            return table, TableWriter(table, model.bundle.digest)
        if kind in TABLES:
            reader: Parser = self._inputs.table_reader(kind)
        else:
            path = config.inputs[self._inputs.kinds.index(kind)]
            reader = self._inputs.line_reader(kind, path)
        segmentation = model.scheme.segmentation
        return reader, open_writer(config.to, kind, segmentation=segmentation, options=config)
