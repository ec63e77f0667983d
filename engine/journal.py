"""What a resumed run needs to know: a line for each finished block, beside the output."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nerx.engine.errors import ConfigError

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
    spans: int = 0

    @property
    def read(self) -> int:
        return self.records + self.rejected


class Journal:
    """An open journal.

    The first line is the fingerprint of the run: whatever its output depends on. A line that was
    cut short is as good as none; its block is done again.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._file = path.open("r+b" if size else "wb", buffering=0)
        self._file.truncate(size)
        self._file.seek(size)

    @classmethod
    def start(cls, path: Path, fingerprint: Fingerprint) -> "Journal":
        """A new journal."""
        journal = cls(path, 0)
        journal._write(fingerprint)
        return journal

    @classmethod
    def resume(cls, path: Path, fingerprint: Fingerprint) -> "tuple[Journal, Progress]":
        """An existing journal and the progress that it tells of.

        Raises:
            ConfigError: it is another run's; the message says what differs.
        """
        data = path.read_bytes()
        data = data[: data.rfind(b"\n") + 1]
        lines = data.splitlines()
        if not lines:
            raise ConfigError(
                f"{path} is empty: the run cannot be resumed; start anew with --force"
            )
        _compare(path, json.loads(lines[0]), fingerprint)
        progress = Progress(**json.loads(lines[-1])) if len(lines) > 1 else Progress()
        return cls(path, len(data)), progress

    def append(self, progress: Progress) -> None:
        """Adds a line; what it tells of must be on the disk by then."""
        self._write(asdict(progress))

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        """Closes and deletes the journal of a run that is done."""
        self.close()
        os.remove(self._path)

    def _write(self, values: dict[str, Any]) -> None:
        self._file.write(json.dumps(values).encode() + b"\n")


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
