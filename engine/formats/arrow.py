"""Arrow columns to records, and what was found in them back to columns.

For a column of texts, no Python object is made for a word or an entity: what was found is cut out
of the UTF-8 of the whole block, by arrays of places.
"""

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..arrays import begins_of, offsets, ragged_range
from ..errors import InputError
from ..types import LabelledBlock, Record

Places = NDArray[np.int64]
Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)

_WORD_BYTES = 8  # of a given word, about
_SCORE_DIGITS = 4  # as in JSONL
_ENTITY = pa.struct(
    [
        ("entity_group", pa.string()),
        ("score", pa.float32()),
        ("word", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)


def holds_words(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds lists of given words, not texts.

    Raises:
        InputError: there is no such column, or it holds neither.
    """
    if schema.names.count(name) != 1:
        found = ", ".join(schema.names) or "none"
        problem = "two columns" if name in schema.names else "no column"
        raise InputError(f"{problem} {name!r}; the columns are {found}: name the one to label")
    kind = schema.field(name).type
    if _is_string(kind) or pa.types.is_null(kind):
        return False
    if _is_list(kind) and _is_string(kind.value_type):
        return True
    raise InputError(
        f"column {name!r} is of type {kind}; expected texts (string) or given words (list<string>)"
    )


def added_fields(
    segmentation: bool, words_given: bool, output: str | None = None
) -> list[pa.Field]:
    """The columns that labelling adds: `entities` or `words`, and `tags` beside given words.

    output: a name for the first of them
    """
    main = (
        pa.field(output or "words", pa.list_(pa.string()))
        if segmentation
        else pa.field(output or "entities", pa.list_(_ENTITY))
    )
    return [pa.field("tags", pa.list_(pa.string())), main] if words_given else [main]


def add_columns(
    rows: Rows, fields: list[pa.Field], columns: Sequence[Any], made_by: dict[str, str]
) -> Rows:
    """The rows with columns more; one that has the name of another takes its place.

    made_by: goes into the metadata of the schema
    """
    for field, column in zip(fields, columns, strict=True):
        at = rows.schema.get_field_index(field.name)
        put = rows.append_column if at < 0 else partial(rows.set_column, at)
        rows = put(field, column)
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), **made_by})


def made_by(digest: str) -> dict[str, str]:
    """What the metadata of a schema tells: the version of nerx, and the model by its digest."""
    return {"nerx.version": version("nerx-engine"), "nerx.model": digest}


def plain_column(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in chunks of a type that holds them itself."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_null(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    return column


def cut_rows(column: pa.ChunkedArray, block_bytes: int) -> list[int]:
    """Where blocks of about that many bytes of text begin, and the end of the last."""
    if _is_list(column.type):
        sizes = pc.multiply(pc.list_value_length(column), _WORD_BYTES)
    else:
        sizes = pc.binary_length(column)
    ends = np.cumsum(pc.fill_null(sizes, 0).to_numpy() + 1)
    numbers = np.diff((ends - 1) // block_bytes, prepend=-1)
    return [*np.flatnonzero(numbers).tolist(), len(column)]


def read_column(column: pa.ChunkedArray, first_row: int = 0) -> list[Record]:
    """A record for each row of a plain column; that of a null has no document, and so no words.

    A row that cannot be labelled carries the reason. Rows are counted from `first_row`.
    """
    listed = _is_list(column.type)
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = [_value(item) for item in column]
    records = []
    for row, value in enumerate(values, first_row):
        record = Record(b"", row + 1, row)
        if isinstance(value, UnicodeDecodeError):
            record.error = f"not UTF-8 ({value.reason} at byte {value.start + 1} of the value)"
        elif listed and value is not None and None in value:
            record.error = f"word {value.index(None)} of the list is null; expected strings alone"
        elif listed:
            record.tokens = value
        else:
            record.text = value
        records.append(record)
    return records


def found_columns(block: LabelledBlock, words_given: bool) -> list[pa.Array]:
    """What was found in a block, as `added_fields` lists it, a row a record; null for a null."""
    missing = np.array([r.text is None and r.tokens is None for r in block.records], np.bool_)
    spans, encoded = block.spans, block.encoded
    starts, ends = encoded.word_start[spans.first], encoded.word_end[spans.end - 1]
    bounds = np.searchsorted(spans.first, encoded.doc_words)
    if words_given:
        found = _joined(block, bounds, starts, ends, "" if block.segmentation else " ")
    else:
        text = _Text(block.records)
        shift = np.repeat(text.begin[:-1], np.diff(bounds))
        first, end = shift + starts, shift + ends
        if block.segmentation:  # what lies between two words is one too
            edges = np.unique(np.concatenate([text.begin, first, end]))
            first, end, bounds = edges[:-1], edges[1:], np.searchsorted(edges, text.begin)
        found = text.cut(first, end)
    if not block.segmentation:
        groups = pa.array(block.types, pa.string()).take(pa.array(spans.label))
        scores = block.span_scores.astype(np.float64).round(_SCORE_DIGITS).astype(np.float32)
        columns = [groups, pa.array(scores), found, pa.array(starts), pa.array(ends)]
        found = pa.StructArray.from_arrays(columns, fields=list(_ENTITY))
    main = _lists(bounds, found, missing)
    if not words_given:
        return [main]
    names = pa.array(block.names, pa.string())
    tags = names.take(pa.array(block.labels.label_ids))
    return [_lists(encoded.doc_words, tags, missing), main]


class _Text:
    """The texts of a block, one after the other, as UTF-8; and where each code point stands."""

    def __init__(self, records: Sequence[Record]) -> None:
        texts = [record.text or "" for record in records]
        self.begin = begins_of(texts)
        data = np.frombuffer("".join(texts).encode(), np.uint8)
        self._data = data
        self._places = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))

    def cut(self, starts: Places, ends: Places) -> pa.Array:
        """The strings from code point `starts` to `ends` of the whole."""
        first, lengths = self._places[starts], self._places[ends] - self._places[starts]
        data = self._data[ragged_range(first, lengths)]
        return pa.StringArray.from_buffers(
            len(starts), pa.py_buffer(offsets(lengths)), pa.py_buffer(data)
        )


def _joined(
    block: LabelledBlock,
    bounds: NDArray[Any],
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    space: str,
) -> pa.Array:
    """The given words of each span as one string."""
    counts = np.diff(bounds).tolist()
    records = zip(block.records, counts, strict=True)
    tokens = [record.tokens or [] for record, count in records for _ in range(count)]
    spans = zip(tokens, starts.tolist(), ends.tolist(), strict=True)
    return pa.array([space.join(given[a:b]) for given, a, b in spans], pa.string())


def _lists(bounds: NDArray[Any], values: pa.Array, missing: NDArray[np.bool_]) -> pa.Array:
    mask = pa.array(missing) if missing.any() else None
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values, mask=mask)


def _value(item: pa.Scalar) -> Any:
    try:
        return item.as_py()
    except UnicodeDecodeError as error:
        return error


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
