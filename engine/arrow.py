"""Arrow in, Arrow out: the one function that Ray, Spark, Daft, Polars and the like call."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from .bundle import Bundle
from .config import LabelConfig
from .errors import BundleError, InputError
from .formats.arrow import (
    Rows,
    add_columns,
    added_fields,
    cut_rows,
    found_columns,
    holds_words,
    made_by,
    plain_column,
    read_column,
)
from .labels.schemes import Scheme
from .model import Model
from .run.stream import default_block_bytes
from .types import Record

_loading = threading.Lock()
_loaded: dict[tuple[Any, ...], Model] = {}  # the models of this process, which all taggers share


class BatchTagger:
    """Labels a column of a table; `BatchTagger("en")(table)` is the table with one column more.

    It can be pickled and called from many threads; a process loads a model once, at the first call.

    model: a built-in name ("en", "zh"), or a bundle's folder, which every machine must see
    column: texts, or lists of given words
    output: name of the column that is added  [`entities`; for word segmentation `words`]
    backend, precision, device, config: as for `Tagger`
    threads: cores to compute on, None for all that the process may use

    Raises:
        BundleError: there is no such model.
    """

    def __init__(
        self,
        model: str | Path = "en",
        *,
        column: str = "text",
        output: str | None = None,
        backend: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        config: LabelConfig | None = None,
    ) -> None:
        self.column = column
        self.output = output
        config = config or LabelConfig()
        self._name = str(model)
        self._options: dict[str, Any] = {
            "backend": backend,
            "precision": precision,
            "device": device,
            "threads": threads,
            "config": config,
        }
        bundle = Bundle.load(model)
        self._digest = bundle.digest
        self._segmentation = Scheme.from_labels(bundle.labels, bundle.scheme).segmentation
        if self._segmentation:
            config.check_segmentation()

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """What comes out of a table of that schema.

        Raises:
            InputError: it has no such column, or one of another type.
        """
        fields = added_fields(self._segmentation, holds_words(schema, self.column), self.output)
        none = [pa.nulls(0, field.type) for field in fields]
        return add_columns(schema.empty_table(), fields, none, made_by(self._digest)).schema

    def __call__(self, rows: Rows) -> Rows:
        """The rows, in their order, with what was found in them; a null where the text is one.

        A column that has the name of one that is added is replaced.

        Raises:
            InputError: the column is missing or of another type, or a row cannot be labelled.
            BackendError: the model cannot be loaded as asked, or failed.
        """
        words_given = holds_words(rows.schema, self.column)
        fields = added_fields(self._segmentation, words_given, self.output)
        found = list(self._label(plain_column(rows.column(self.column)), words_given))
        columns = []
        for number, field in enumerate(fields):
            parts = pa.chunked_array([block[number] for block in found], field.type)
            columns.append(parts if isinstance(rows, pa.Table) else parts.combine_chunks())
        return add_columns(rows, fields, columns, made_by(self._digest))

    def _label(self, column: pa.ChunkedArray, words_given: bool) -> Iterator[list[pa.Array]]:
        """The added columns of each block of rows."""
        model = self._model()
        bounds = cut_rows(column, default_block_bytes(model.backend.device))

        def records() -> Iterator[list[Record]]:
            for first, end in pairwise(bounds):
                block = read_column(column.slice(first, end - first), first)
                for record in block:
                    if record.error is not None:
                        raise InputError(f"row {record.line} of {self.column!r}: {record.error}")
                yield block

        for labelled in model.label(records()):
            yield found_columns(labelled, words_given)

    def _model(self) -> Model:
        """The model of this process; a process that was forked loads its own."""
        key = (os.getpid(), self._digest, self._name, *self._options.values())
        with _loading:
            if key not in _loaded:
                bundle = Bundle.load(self._name)
                if bundle.digest != self._digest:
                    raise BundleError(
                        f"{bundle.folder} is not the model that the job was started with; install"
                        " the same one on every machine"
                    )
                # On a thread of Python's own: OpenVINO keeps a request for the thread that loads a
                # model, and what goes with a thread of DuckDB's or Daft's crashes the process.
                with ThreadPoolExecutor(1) as thread:
                    _loaded[key] = thread.submit(Model, bundle, **self._options).result()
            return _loaded[key]


def _forget() -> None:
    """A lock that another thread held when the process was forked would never be free again."""
    global _loading
    _loading = threading.Lock()


os.register_at_fork(after_in_child=_forget)
