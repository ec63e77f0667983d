"""Parquet and Arrow: rows of a table, which come out with the labels as columns of their own."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from ..errors import InputError
from ..types import Block, LabelledBlock, Record
from .arrow import (
    add_columns,
    added_fields,
    cut_rows,
    found_columns,
    holds_words,
    made_by,
    plain_column,
    read_column,
)


class TableReader:
    """Rows with a column of texts or of lists of given words.

    text_key, tokens_key: that column; if none is given, `tokens` where there is one, else `text`
    carried: columns that are in the output too, None for all
    """

    def __init__(
        self,
        text_key: str | None = None,
        tokens_key: str | None = None,
        carried: Sequence[str] | None = None,
    ) -> None:
        self._named = tokens_key or text_key
        self.carried = carried

    def column(self, schema: pa.Schema) -> str:
        """The column to label."""
        return self._named or ("tokens" if "tokens" in schema.names else "text")

    def columns(self, schema: pa.Schema) -> list[str]:
        """The columns to read.

        Raises:
            InputError: one is missing, or there is nothing to label in the column that is named.
        """
        column = self.column(schema)
        holds_words(schema, column)
        carried = schema.names if self.carried is None else self.carried
        if missing := set(carried) - set(schema.names):
            raise InputError(
                f"no column {', '.join(sorted(missing))}; the columns are {', '.join(schema.names)}"
            )
        return list(dict.fromkeys([*carried, column]))

    def cut_rows(self, rows: pa.RecordBatch, block_bytes: int) -> list[int]:
        """Where blocks of about that many bytes of text begin, and the end of the last."""
        return cut_rows(plain_column(rows.column(self.column(rows.schema))), block_bytes)

    def head(self, block: Block, rows: int) -> Block:
        """The first rows of a block."""
        kept = _rows(block).slice(0, rows)
        return replace(block, data=_pack(kept), lines=kept.num_rows)

    def parse(self, block: Block) -> list[Record]:
        """A record for each row; a bad one carries its error, and the row as JSON."""
        rows = _rows(block)
        records = read_column(plain_column(rows.column(self.column(rows.schema))), block.offset)
        for number, record in enumerate(records):
            if record.error is not None:
                record.raw = _as_json(rows.slice(number, 1))
        return records


class TableWriter:
    """Adds the labels to the rows.

    digest: of the model, for the metadata of the schema
    """

    def __init__(self, reader: TableReader, digest: str) -> None:
        self._reader = reader
        self._made_by = made_by(digest)

    def render(self, block: LabelledBlock) -> bytes:
        """The rows of the records, packed as those of a block are."""
        assert block.source is not None
        rows, first = _rows(block.source), block.source.offset
        column = self._reader.column(rows.schema)
        words_given = holds_words(rows.schema, column)
        if len(block.records) < rows.num_rows:  # some were set aside
            rows = rows.take([record.offset - first for record in block.records])
        if self._reader.carried is not None and column not in self._reader.carried:
            rows = rows.drop_columns([column])
        fields = added_fields(block.segmentation, words_given)
        columns = found_columns(block, words_given)
        return _pack(add_columns(rows, fields, columns, self._made_by))


def _pack(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _rows(block: Block) -> pa.Table:
    return pa.ipc.open_stream(block.data).read_all()


def _as_json(row: pa.Table) -> bytes:
    try:
        return json.dumps(row.to_pylist()[0], ensure_ascii=False, default=str).encode()
    except UnicodeDecodeError:
        return b""
