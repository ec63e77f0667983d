"""What a resumed run needs to know: a line for each finished block, beside the output."""

import fcntl
import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, NerxError

Fingerprint = dict[str, Any]


@dataclass(slots=True)
class Progress:
    """How far a run has come; in the end `read` is `records` and `rejected` together."""

    source: int = 0  # number of the input that is being read
    offset: int = 0  # where its next block begins, in unpacked bytes
    line: int = 1
    output_bytes: int = 0  # written so far, as stored
    rejects_bytes: int = 0
    records: int = 0
    rejected: int = 0
    words: int = 0
    types: dict[str, int] = field(default_factory=dict)  # how many spans of each were found

    @property
    def read(self) -> int:
        return self.records + self.rejected

    @property
    def spans(self) -> int:
        return sum(self.types.values())


class Journal(AbstractContextManager["Journal"]):
    """An open journal, locked, so that no second run writes the same output.

    The first line is the fingerprint of the run: whatever its output depends on. A line that was
    cut short is as good as none; its block is done again.

    Raises:
        ConfigError: it cannot be written, or another run has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ConfigError(f"{path} is in use: another run writes this output") from None

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def start(self, fingerprint: Fingerprint) -> None:
        """Begins anew."""
        self._file.truncate(0)
        self._write(fingerprint)

    def resume(self, fingerprint: Fingerprint) -> Progress | None:
        """The progress that it tells of; None if the run ended before it began.

        Raises:
            ConfigError: it is another run's; the message says what differs.
        """
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        lines.pop()  # nothing, or a line that was cut short
        if not lines:
            return None
        try:
            header = json.loads(lines[0])
            progress = Progress(**json.loads(lines[-1])) if len(lines) > 1 else Progress()
        except (ValueError, TypeError):
            raise ConfigError(
                f"{self._path} is damaged, the run cannot be resumed; start anew with --force"
            ) from None
        _compare(self._path, header, fingerprint)
        self._file.truncate(sum(map(len, lines)) + len(lines))
        return progress

    def append(self, progress: Progress) -> None:
        """Adds a line; what it tells of must be on the disk by then.

        Raises:
            NerxError: it cannot be written, for one because the disk is full.
        """
        self._write(asdict(progress))

    def remove(self) -> None:
        """Deletes the journal of a run that is done."""
        os.remove(self._path)

    def _write(self, values: dict[str, Any]) -> None:
        line = json.dumps(values).encode() + b"\n"
        try:
            written = self._file.write(line)
            os.fdatasync(self._file.fileno())
        except OSError as error:
            raise NerxError(f"{self._path} cannot be written: {error.strerror}") from None
        if written != len(line):
            raise NerxError(f"{self._path} cannot be written: the disk is full")


def _compare(path: Path, before: Fingerprint, now: Fingerprint) -> None:
    now = json.loads(json.dumps(now))
    different = [
        f"{key} was {json.dumps(before.get(key))}, is {json.dumps(now.get(key))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if different:
        raise ConfigError(
            f"{path} is of another run: {'; '.join(different)}. Resume with what it began with, or"
            " start anew with --force"
        )
