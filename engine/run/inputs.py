"""The inputs of a run: their formats, and their blocks in order."""

import os
from collections.abc import Iterator

from ..config import RunConfig
from ..files.source import Source
from ..formats.registry import find_format, open_format
from .journal import Progress
from .stream import InputBlock


class Inputs:
    """All inputs of a run, each opened when its turn comes.

    Raises:
        InputError: standard input cannot be read.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._stdin: Source | None = None
        self.kinds = [config.format or self._find_format(path) for path in config.inputs]
        self.bytes_read = 0  # as stored

    @property
    def are_files(self) -> bool:
        """Whether all can be read again, as a resumed run must."""
        return all(map(os.path.isfile, self._config.inputs))

    def identities(self) -> list[list[str | int]]:
        """What tells one state of the inputs from another."""
        return [_identity(path) for path in self._config.inputs]

    def blocks(self, start: Progress, block_bytes: int) -> Iterator[InputBlock]:
        """The blocks that are still to be done."""
        config = self._config
        number, offset, line = 0, start.offset, start.line
        self.bytes_read = sum(map(_size, config.inputs[: start.source]))
        for source_number in range(start.source, len(config.inputs)):
            path, kind = config.inputs[source_number], self.kinds[source_number]
            reader = open_format(kind, path, config.text_key, config.tokens_key)
            before = self.bytes_read
            with self._stdin if path == "-" and self._stdin else Source(path) as source:
                for block in source.blocks(reader, block_bytes, start=offset, first_line=line):
                    self.bytes_read = before + source.read_bytes
                    yield InputBlock(number, source_number, source.name, kind, block)
                    number += 1
            offset, line = 0, 1

    def _find_format(self, path: str) -> str:
        if path != "-":
            return find_format(path)
        self._stdin = Source(path)
        return find_format(path, self._stdin.peek())


def _size(path: str) -> int:
    return 0 if path == "-" else os.path.getsize(path)


def _identity(path: str) -> list[str | int]:
    if path == "-":
        return [path]
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]
