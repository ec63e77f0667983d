"""Labels by Spark are those of one machine."""

import sys
from pathlib import Path

import pytest

from nerx.engine.bundle import Bundle
from nerx.engine.config import RunConfig
from nerx.engine.model import Model
from nerx.engine.run.run import Run

from .hostile_tables import RECORDS, by_id, write_tables

sql = pytest.importorskip("pyspark.sql", reason="needs Spark")

from nerx.engine.cluster import spark  # noqa: E402  # which takes pyspark


@pytest.mark.filterwarnings("ignore")  # Spark's own
def test_labels_of_20_000_hostile_records_are_those_of_one_machine(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        monkeypatch.setenv(name, sys.executable)
    write_tables(tmp_path / "in", RECORDS)
    session = sql.SparkSession.builder.master("local[2]").getOrCreate()
    rows = session.read.parquet(str(tmp_path / "in"))
    label = spark.tag(str(models / "ner"))
    labelled = rows.mapInArrow(label, label.schema(rows.schema))
    labelled.write.parquet(str(tmp_path / "out"))
    session.stop()
    inputs = tuple(map(str, sorted((tmp_path / "in").iterdir())))
    config = RunConfig(inputs=inputs, output=str(tmp_path / "one.parquet"))
    with Model(Bundle.load(models / "ner")) as model, Run(config, model) as run:
        list(run)
    found = by_id(tmp_path / "out")
    assert len(found) == RECORDS
    assert found == by_id(tmp_path / "one.parquet")
