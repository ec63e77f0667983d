"""Parquet and Arrow files as blocks of rows, and back; a row group at most is in memory.

The data of a block is one record batch in Arrow's stream format. Its metadata says what the output
is to be like: which row group the rows are of, and how their columns are compressed.
"""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import pairwise
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..types import Block
from .remote import look, open_filesystem
from .sink import Sink

_GROUP, _COMPRESSION = b"nerx.row_group", b"nerx.compression"
_MOST_ROWS = 1 << 16  # decoded at once
_MOST_BYTES = 256 << 20  # of rows that wait to be written; a larger row group becomes two


class RowReader(Protocol):
    """What knows the columns of interest; see `nerx.engine.formats.tables`."""

    def columns(self, schema: pa.Schema) -> list[str]:
        """The columns to read."""
        ...

    def cut_rows(self, rows: pa.RecordBatch, block_bytes: int) -> list[int]:
        """Where blocks of about that many bytes of text begin, and the end of the last."""
        ...


class TableSource(AbstractContextManager["TableSource"]):
    """An open Parquet or Arrow file, local or by URL.

    Raises:
        InputError: there is no such file, or it is damaged or of another kind.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.name = path
        self.read_bytes = 0  # of `size`, so far
        self._filesystem, self._place = open_filesystem(path)
        self._state = look(self._filesystem, self._place, path)
        self.size = self._state[0]
        with self._failures("cannot be read"):
            self._file = self._filesystem.open_input_file(self._place)
        with self._failures(f"is no sound {kind.capitalize()} file"):
            self._table: _Parquet | _Arrow = (_Parquet if kind == "parquet" else _Arrow)(self._file)

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def columns(self, reader: RowReader) -> list[str]:
        """The columns that are to be read.

        Raises:
            InputError: one is missing or of a wrong type.
        """
        try:
            return reader.columns(self._table.schema)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def blocks(
        self, reader: RowReader, block_bytes: int, shard: tuple[int, int] | None = None
    ) -> Iterator[Block]:
        """Runs of rows with about `block_bytes` of text, none across row groups; at least one.

        shard: number and count of the parts of which one is to be read; None for all

        Raises:
            InputError: a row group cannot be read, or the file changed since it was opened.
        """
        number, count = shard or (0, 1)
        table, columns = self._table, self.columns(reader)
        first, end = (table.groups * part // count for part in (number, number + 1))
        begin = row = sum(map(table.rows, range(first)))
        for group in range(first, end):
            with self._failures(f"cannot be read in row group {group + 1} of {table.groups}"):
                for rows in table.read(group, columns, block_bytes):
                    for start, stop in pairwise(reader.cut_rows(rows, block_bytes)):
                        yield self._block(rows.slice(start, stop - start), group, row)
                        row += stop - start
            self.read_bytes = self.size * (group + 1 - first) // (end - first)
        if row == begin:
            schema = pa.schema([table.schema.field(name) for name in columns])
            yield self._block(pa.RecordBatch.from_pylist([], schema=schema), first, row)
        if look(self._filesystem, self._place, self.name) != self._state:
            raise InputError(f"{self.name} was changed while it was read; label it anew")

    def _block(self, rows: pa.RecordBatch, group: int, first_row: int) -> Block:
        told = {_GROUP: f"{group} of {self.name}", _COMPRESSION: self._table.compression}
        schema = rows.schema.with_metadata({**(rows.schema.metadata or {}), **told})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(rows.replace_schema_metadata(schema.metadata))
        data = sink.getvalue().to_pybytes()
        return Block(data, first_row + 1, first_row, lines=rows.num_rows)

    @contextmanager
    def _failures(self, problem: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError(f"{self.name} {problem}: {error}") from None


class _Parquet:
    """What a Parquet file holds, row group by row group."""

    def __init__(self, file: Any) -> None:
        self._file = pq.ParquetFile(file)
        self._metadata = self._file.metadata
        self.schema = self._file.schema_arrow
        self.groups: int = self._metadata.num_row_groups
        self.compression = "none"
        if self.groups and self._metadata.num_columns:
            codec = self._metadata.row_group(0).column(0).compression.lower()
            self.compression = codec.replace("uncompressed", "none")

    def rows(self, group: int) -> int:
        return int(self._metadata.row_group(group).num_rows)

    def read(self, group: int, columns: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """The rows of a group, enough for some blocks at a time."""
        size = max(self._metadata.row_group(group).total_byte_size, 1)
        rows = 4 * block_bytes * self.rows(group) // size
        yield from self._file.iter_batches(
            batch_size=min(max(rows, 1), _MOST_ROWS), row_groups=[group], columns=columns
        )


class _Arrow:
    """What a file in Arrow's own format holds, record batch by record batch."""

    compression = "none"

    def __init__(self, file: Any) -> None:
        self._file = pa.ipc.open_file(file)
        self.schema = self._file.schema
        self.groups: int = self._file.num_record_batches

    def rows(self, group: int) -> int:
        return int(self._file.get_batch(group).num_rows)

    def read(self, group: int, columns: list[str], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """The rows of a group."""
        yield self._file.get_batch(group).select(columns)


class TableSink:
    """A Parquet or Arrow file that gets its name when it is whole, as a `Sink` does.

    Raises:
        ConfigError: it cannot be created.
    """

    grows = False

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self._sink = Sink(path, force=True)
        self._kind = kind
        self._writer: Any = None
        self._rows: list[pa.Table] = []  # of one row group
        self._group = b""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._sink.size

    def write(self, data: bytes) -> None:
        """Writes rows in Arrow's stream format, of one row group.

        Raises:
            NerxError: they cannot be written, for one because the disk is full.
        """
        rows = pa.ipc.open_stream(data).read_all()
        group = rows.schema.metadata[_GROUP]
        if group != self._group or sum(part.nbytes for part in self._rows) > _MOST_BYTES:
            self._flush()
        self._group = group
        self._rows.append(rows)

    def sync(self) -> None:
        """There is nothing to wait for: a file that is not whole is of no use."""

    def close(self) -> None:
        """Ends the file and gives it its name."""
        self._flush()
        self._writer.close()
        self._sink.close()

    def abandon(self) -> None:
        """Takes away a file that is not whole."""
        if self._writer:
            with suppress(Exception):
                self._writer.close()
        self._sink.remove()

    def _flush(self) -> None:
        if not self._rows:
            return
        told = dict(self._rows[0].schema.metadata)
        compression = told.pop(_COMPRESSION).decode()
        del told[_GROUP]
        try:
            rows = pa.concat_tables(self._rows).replace_schema_metadata(told).combine_chunks()
            if self._writer is None:
                self._writer = self._open(rows.schema, compression)
            options = {"row_group_size": max(rows.num_rows, 1)} if self._kind == "parquet" else {}
            self._writer.write_table(rows, **options)
        except ValueError as error:
            raise InputError(
                f"{self.path} cannot hold rows of other columns than the first ones, {error};"
                " with --output-dir each input has an output of its own"
            ) from None
        self._rows = []

    def _open(self, schema: pa.Schema, compression: str) -> Any:
        file = _Raw(self._sink)
        if self._kind == "parquet":
            return pq.ParquetWriter(file, schema, compression=compression)
        return pa.ipc.new_file(file, schema)


class _Raw(io.RawIOBase):
    """A sink as the file object that pyarrow writes to."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(bytes(data))
        return len(data)

    def tell(self) -> int:
        return self._sink.size
