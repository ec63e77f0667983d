"""What a run writes: its outputs, the records set aside, the journal that a resumed run needs."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import ConfigError, InputError, NerxError
from ..files.outputs import Outputs, name_outputs, refuse_clashes
from ..files.remote import exists, is_url
from ..files.sink import Sink, is_file, refuse_existing
from ..formats.registry import check_table_output, end_output, find_table, output_suffix
from ..formats.rejects import render_reject
from ..types import Record
from .journal import Fingerprint, Journal, Progress
from .stages import FinishedBlock
from .stream import InputBlock

_START: dict[str, Any] = {"offset": 0, "line": 1, "output_bytes": 0}  # of an output


class Results(AbstractContextManager["Results"]):
    """The open results of a run, and how far it has come.

    kinds: format of each input
    fingerprint: of the run, to compare with the one that is resumed

    `done` tells that a run which is to be resumed had come to its end.

    Raises:
        ConfigError: an output exists, or an unfinished one; or the run cannot be resumed.
    """

    def __init__(self, config: RunConfig, kinds: Sequence[str], fingerprint: Fingerprint) -> None:
        self.progress = Progress()
        self.done_before = Progress()  # by the runs that this one resumes
        self._config = config
        self._kinds = kinds
        self._journal: Journal | None = None
        self.done = False
        with ExitStack() as stack:
            self._open(stack, fingerprint)
            self._stack = stack.pop_all()

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def are_journaled(self) -> bool:
        return self._journal is not None

    def write(self, item: InputBlock, finished: FinishedBlock) -> None:
        """Writes what came of a block, all of it or none.

        Raises:
            InputError: a record is bad, and there is nowhere to set it aside.
            NerxError: something cannot be written, or records were lost.
        """
        out, bad = finished.records, len(finished.rejected)
        if finished.read != out + bad:
            raise NerxError(
                f"{item.source}, the block at line {item.block.line}: {finished.read} records went"
                f" in, {out} came out and {bad} were set aside; please report this"
            )
        sink = self._outputs.turn_to(item.source_number)
        if self._journal and item.source_number > self.progress.source and not sink.grows:
            if self._rejects:
                self._rejects.sync()
            self._journal.append(replace(self.progress, **_START, source=item.source_number))
        if finished.rejected:
            self._reject(item.source, finished.rejected)
        joined = self._outputs.is_shared_with_next(item.source_number)
        output = finished.output
        sink.write(end_output(self._config.to, item.kind, output) if joined else output)
        progress = self.progress
        progress.source = item.source_number
        progress.offset = item.block.end
        progress.line = item.block.line + item.block.lines
        progress.output_bytes = sink.size
        progress.records += finished.records
        progress.words += finished.words
        before = progress.types  # which may be the `done_before` of a resumed run too
        progress.types = {name: before.get(name, 0) + n for name, n in finished.types.items()}
        if self._journal and sink.grows:
            sink.sync()
            if self._rejects:
                self._rejects.sync()
            self._journal.append(progress)

    def close(self) -> None:
        """Ends all files and gives them their names."""
        if self._rejects:
            self._rejects.close()
        self._outputs.close()
        if self._journal:
            self._journal.remove()

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

    def _open(self, stack: ExitStack, fingerprint: Fingerprint) -> None:
        config = self._config
        tables = [find_table(config.to, kind) for kind in self._kinds]
        paths, name = [config.output] * len(config.inputs), Path(config.output + ".journal")
        if config.output_dir is not None:
            suffixes = [output_suffix(config.to, kind) for kind in self._kinds]
            shard = config.shard_name
            paths = name_outputs(
                config.output_dir, config.inputs, suffixes, shard if config.cut else ""
            )
            name = Path(config.output_dir, f"nerx{shard}.journal")
            if not is_url(config.output_dir):
                for folder in {os.path.dirname(path) for path in [*paths, str(name)]}:
                    os.makedirs(folder, exist_ok=True)
        elif any(tables):
            check_table_output(config.output, tables)
        others = {"--rejects": config.rejects, "--stats": config.stats}
        beside = {option: [path] for option, path in others.items() if path is not None}
        refuse_clashes(config.inputs, {"the output": paths} | beside)
        stored = is_url(paths[0])  # where a file is whole or is not there: it needs no journal
        known = is_file(paths[0]) and not stored and name.exists()
        if config.resume and not known:
            missing = [number for number, path in enumerate(paths) if not exists(path)]
            self.done = not missing
            if self.done:
                return
            self.progress.source = missing[0] if stored else 0
        if known and not (config.resume or config.force):
            on = "go on with --resume, or " if config.inputs_are_files else ""
            raise ConfigError(f"{name} is of an unfinished run; {on}start anew with --force")
        if not known and not (stored and config.resume):
            refuse_existing([*paths, *chain(*beside.values())], force=config.force)
        resumed = False
        if is_file(paths[0]) and not stored:
            self._journal = stack.enter_context(Journal(name))
            resumed = known and config.resume and self._resume(self._journal, fingerprint)
        with ExitStack() as unbegun:
            if self._journal and not resumed:
                unbegun.callback(self._journal.remove)
            self._open_outputs(stack, paths, tables, resumed)
            if self._journal and not resumed:
                self._journal.start(fingerprint)
            unbegun.pop_all()

    def _resume(self, journal: Journal, fingerprint: Fingerprint) -> bool:
        """Takes over the progress of the journal, if it tells of any."""
        progress = journal.resume(fingerprint)
        if progress is None:
            return False
        if progress.rejects_bytes and self._config.rejects is None:
            raise ConfigError(
                f"the run has set {progress.rejected:,} records aside; resume it with its"
                " --on-error skip --rejects FILE"
            )
        self.progress, self.done_before = progress, replace(progress)
        return True

    def _open_outputs(
        self, stack: ExitStack, paths: list[str], tables: list[str | None], resumed: bool
    ) -> None:
        config, at = self._config, self.progress
        start = (at.source, at.output_bytes if resumed else None)
        self._outputs = Outputs(paths, tables, start)
        stack.callback(self._outputs.abandon)
        self._rejects: Sink | None = None
        if config.rejects is not None:
            resume_at = at.rejects_bytes if resumed else None
            self._rejects = Sink(config.rejects, force=config.force, resume_at=resume_at)
            stack.callback(self._rejects.abandon)
