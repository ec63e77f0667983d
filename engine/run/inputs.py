"""The inputs of a run: their formats, and their blocks in order."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config import RunConfig
from ..errors import ConfigError
from ..files.remote import identity, is_url
from ..files.source import Source
from ..formats.base import Reader
from ..formats.registry import TABLES, find_format, open_format, open_table
from ..types import Block
from .journal import Progress
from .kinds import find_kind, kind_of
from .stream import InputBlock

if TYPE_CHECKING:
    from ..files.tables import TableSource
    from ..formats.tables import TableReader

    _Blocks = Iterator[tuple[Source | TableSource, Block]]


class Inputs:
    """All inputs of a run, each opened when its turn comes.

    Raises:
        InputError: one cannot be read.
        ConfigError: the format of one is in doubt.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._opened: dict[int, Source] = {}  # pipes of which the first bytes have been seen
        self.kinds = [config.format or self._find_kind(n) for n in range(len(config.inputs))]
        self.bytes_read = 0  # as stored
        if self.kinds[0] in TABLES:  # what would end the run at its first block ends it here
            reader = self.table_reader(self.kinds[0])
            with self._open_table(0) as table:
                table.columns(reader)

    def line_reader(self, kind: str, path: str) -> Reader:
        """What reads the records of a format of lines.

        Raises:
            ConfigError: options that it does not have.
        """
        config = self._config
        if config.columns is not None:
            raise ConfigError(f"--columns are those of a table; there are none in {kind}")
        return open_format(kind, path, config.text_key, config.tokens_key, config.token_column)

    def table_reader(self, kind: str) -> "TableReader":
        """What reads the rows of a kind of table.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        config = self._config
        return open_table(kind, config.text_key, config.tokens_key, config.columns)

    def identities(self) -> list[list[str | int]]:
        """What tells one state of the inputs from another."""
        return [[path] if path == "-" else [path, *identity(path)] for path in self._config.inputs]

    def blocks(self, start: Progress, block_bytes: int) -> Iterator[InputBlock]:
        """The blocks that are still to be done."""
        items, limit = self._all(start, block_bytes), self._config.limit
        return items if limit is None else self._first(items, limit - start.read)

    def _all(self, start: Progress, block_bytes: int) -> Iterator[InputBlock]:
        number, at = 0, start
        self.bytes_read = sum(map(_size, self._config.inputs[: start.source]))
        for source_number in range(start.source, len(self._config.inputs)):
            kind, before = self.kinds[source_number], self.bytes_read
            open_blocks = self._table if kind in TABLES else self._lines
            for source, block in open_blocks(source_number, block_bytes, at):
                self.bytes_read = before + source.read_bytes
                yield InputBlock(number, source_number, source.name, kind, block)
                number += 1
            at = Progress()

    def _lines(self, number: int, block_bytes: int, at: Progress) -> "_Blocks":
        """The blocks of an input of lines that are still to be done, with the input."""
        path, shard = self._config.inputs[number], self._config.shard
        reader = self.line_reader(self.kinds[number], path)
        with self._opened.get(number) or Source(path) as source:
            cut = shard is not None and self._config.cut
            first, end = source.part(reader, *shard) if shard and cut else (0, None)
            for block in source.blocks(
                reader, block_bytes, start=max(first, at.offset), first_line=at.line, end=end
            ):
                yield source, block

    def _table(self, number: int, block_bytes: int, at: Progress) -> "_Blocks":
        """The blocks of a table, from its beginning, with the table."""
        shard = self._config.shard if self._config.cut else None
        with self._open_table(number) as table:
            reader = self.table_reader(self.kinds[number])
            for block in table.blocks(reader, block_bytes, shard):
                yield table, block

    def _open_table(self, number: int) -> "TableSource":
        from ..files.tables import TableSource

        return TableSource(self._config.inputs[number], self.kinds[number])

    def _first(self, items: Iterator[InputBlock], limit: int) -> Iterator[InputBlock]:
        """The blocks up to the record that is number `limit`; the last is cut before the next."""
        for item in items if limit > 0 else ():
            block, records = self._head(item, limit)
            yield replace(item, block=block)
            limit -= records
            if limit <= 0:
                return

    def _head(self, item: InputBlock, limit: int) -> tuple[Block, int]:
        """A block cut before its record number `limit`, and how many records it had."""
        block = item.block
        if item.kind in TABLES:
            return self.table_reader(item.kind).head(block, limit), block.lines
        records = self.line_reader(item.kind, item.source).parse(block)
        if len(records) > limit:
            data = block.data[: records[limit].offset - block.offset]
            block = Block(data, block.line, block.offset, lines=data.count(b"\n"))
        return block, len(records)

    def _find_kind(self, number: int) -> str:
        path = self._config.inputs[number]
        if path != "-" and (is_url(path) or os.path.isfile(path)):
            return find_kind(path, self._config.token_column)
        if number and find_format(path) is None:  # its writer may wait until the first is read
            raise ConfigError(f"{path} is a pipe and not the first input; name its --format")
        self._opened[number] = Source(path)
        return kind_of(self._opened[number], self._config.token_column)


def _size(path: str) -> int:
    return 0 if path == "-" else identity(path)[0]
