"""Every recipe of docs/scale.md, run as it stands there on the engine it is for."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nerx.engine import Tagger

from ...conftest import ROOT

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PAGE = (ROOT / "docs" / "scale.md").read_text()
RECIPES = dict(re.findall(r"^### (\w+)\n+```python\n(.*?)^```", PAGE, re.M | re.S))
PACKAGES = {"Ray": "ray", "Spark": "pyspark", "DuckDB": "duckdb"}  # others have the name in small
ROWS = 60


def text(number: int) -> str | None:
    if number % 20 == 7:
        return None
    if number % 20 == 8:
        return ""
    return f"Angela Merkel\u2028 visited 😀 Zürich {number}, \x00 and the U.N. in New York."


@pytest.fixture(scope="module")
def expected() -> dict[int, Any]:
    """The entities of each row, as `Tagger` finds them."""
    with Tagger("en") as tagger:
        texts = [text(number) for number in range(ROWS)]
        found = iter(list(tagger.pipe([one for one in texts if one is not None])))
        return {
            number: None if one is None else next(found)["entities"]
            for number, one in enumerate(texts)
        }


def test_there_is_a_recipe_for_each_engine() -> None:
    assert set(RECIPES) == {
        *("Ray", "Spark", "Daft", "datasets", "Polars", "DuckDB", "datatrove"),
    }


@pytest.mark.parametrize("engine", RECIPES)
def test_a_recipe_labels_all_rows(engine: str, tmp_path: Path, expected: dict[int, Any]) -> None:
    if not find_spec(PACKAGES.get(engine, engine.lower())):
        pytest.skip(f"needs {engine}")
    for name in ("in", "out") if engine in ("datasets", "DuckDB") else ("in",):
        (tmp_path / name).mkdir()
    for part in range(2):
        numbers = range(part * ROWS // 2, (part + 1) * ROWS // 2)
        rows = pa.table({"id": numbers, "text": [text(number) for number in numbers]})
        pq.write_table(rows, tmp_path / "in" / f"{part}.parquet")
    environment = {
        **os.environ,
        **dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable),
        **dict.fromkeys(("HF_HUB_OFFLINE", "DAFT_ANALYTICS_ENABLED_OFF", "DO_NOT_TRACK"), "1"),
        "HF_HOME": str(tmp_path / "cache"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", RECIPES[engine]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert labelled(tmp_path / "out", engine) == {
        number: entities
        for number, entities in expected.items()
        if engine != "datatrove" or text(number)  # it reads no empty documents
    }


def labelled(folder: Path, engine: str) -> dict[int, Any]:
    """The entities of each row that was written, with the scores of four digits."""
    found = {}
    for row in pq.read_table(folder).to_pylist():
        row |= row.get("metadata") or {}
        number = int(re.search(r"\d+", row["text"])[0]) if engine == "datatrove" else row["id"]
        assert number not in found
        assert row["text"] == text(number)
        for entity in row["entities"] or ():
            entity["score"] = round(entity["score"], 4)
        found[number] = row["entities"]
    return found
