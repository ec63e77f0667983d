"""Parquet files of hostile texts, and what was found in them."""

from pathlib import Path
from typing import Any

import pytest

from .hostile import texts

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

RECORDS = 20_000


def write_tables(folder: Path, records: int, files: int = 4) -> None:
    folder.mkdir()
    rows = pa.table({"id": range(records), "text": texts(records)})
    for number in range(files):
        first, end = (records * k // files for k in (number, number + 1))
        pq.write_table(rows.slice(first, end - first), folder / f"{number}.parquet")


def by_id(folder: Path) -> dict[int, Any]:
    """What was found in each row of the files of a folder."""
    table = pq.read_table(folder, columns=["id", "text", "entities"])
    ids = table["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    found = zip(table["text"].to_pylist(), table["entities"].to_pylist(), strict=True)
    return dict(zip(ids, found, strict=True))
