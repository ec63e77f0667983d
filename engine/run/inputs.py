"""The inputs of a run: their formats, and their blocks in order."""

import os
from collections.abc import Iterator
from dataclasses import replace

from ..config import RunConfig
from ..files.source import Source
from ..formats.base import Reader
from ..formats.registry import find_format, open_format
from ..types import Block
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
        items, limit = self._all(start, block_bytes), self._config.limit
        return items if limit is None else self._first(items, limit - start.read)

    def _all(self, start: Progress, block_bytes: int) -> Iterator[InputBlock]:
        config = self._config
        number, offset, line = 0, start.offset, start.line
        self.bytes_read = sum(map(_size, config.inputs[: start.source]))
        for source_number in range(start.source, len(config.inputs)):
            path, kind = config.inputs[source_number], self.kinds[source_number]
            reader = self._open_format(kind, path)
            before = self.bytes_read
            with self._stdin if path == "-" and self._stdin else Source(path) as source:
                for block in source.blocks(reader, block_bytes, start=offset, first_line=line):
                    self.bytes_read = before + source.read_bytes
                    yield InputBlock(number, source_number, source.name, kind, block)
                    number += 1
            offset, line = 0, 1

    def _first(self, items: Iterator[InputBlock], limit: int) -> Iterator[InputBlock]:
        """The blocks up to the record that is number `limit`; the last is cut before the next."""
        for item in items if limit > 0 else ():
            block = item.block
            records = self._open_format(item.kind, item.source).parse(block)
            if len(records) > limit:
                data = block.data[: records[limit].offset - block.offset]
                block = Block(data, block.line, block.offset, lines=data.count(b"\n"))
            yield replace(item, block=block)
            limit -= len(records)
            if limit <= 0:
                return

    def _open_format(self, kind: str, path: str) -> Reader:
        return open_format(kind, path, self._config.text_key, self._config.tokens_key)

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
