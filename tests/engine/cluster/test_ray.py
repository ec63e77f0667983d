"""`nerx tag --cluster ray` on a real cluster of this machine."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerx.engine.bundle import Bundle
from nerx.engine.config import RunConfig
from nerx.engine.model import Model
from nerx.engine.run.run import Run

from .hostile_tables import RECORDS, by_id, write_tables

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("ray", reason="needs Ray")

Nerx = Callable[..., Any]


def test_labels_of_20_000_hostile_records_are_those_of_one_machine(
    nerx: Nerx, models: Path, tmp_path: Path
) -> None:
    write_tables(tmp_path / "in", RECORDS)
    done = nerx(
        "tag", "in/*.parquet", "-m", models / "ner", "--output-dir", "out", "--cluster", "ray"
    )
    assert done.returncode == 0, done.stderr
    assert "20,000 records are in" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) > 3  # a small corpus is work for both actors
    inputs = tuple(map(str, sorted((tmp_path / "in").iterdir())))
    with Model(Bundle.load(models / "ner")) as model:
        for form, name in (("parquet", "one.parquet"), ("jsonl", "one.jsonl")):
            config = RunConfig(
                inputs=inputs,
                output=str(tmp_path / name),
                to=None if form == "parquet" else "jsonl",
            )
            with Run(config, model) as run:
                list(run)
    found = by_id(tmp_path / "out")
    assert found == by_id(tmp_path / "one.parquet")
    lines = (tmp_path / "one.jsonl").read_bytes().splitlines()
    assert len(lines) == RECORDS
    for number, line in enumerate(lines):
        record = json.loads(line)
        text, entities = found[number]
        assert text == record["text"]
        spans = [(e["start"], e["end"], e["entity_group"], e["word"]) for e in entities or ()]
        there = [(e["start"], e["end"], e["entity_group"], e["word"]) for e in record["entities"]]
        assert spans == there


def test_jsonl_columns_and_a_finished_job(nerx: Nerx, models: Path, tmp_path: Path) -> None:
    lines = [{"id": n, "body": f"Paris {n} 😀 \u2028 Berlin", "n": n / 7} for n in range(300)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = ["tag", "in.jsonl", "-m", models / "ner", "--text-key", "body", "--cluster", "ray"]
    job += ["--columns", "id,n", "--id-column", "id", "--output-dir", "out"]
    assert (done := nerx(*job)).returncode == 0, done.stderr
    rows = [
        json.loads(line)
        for path in (tmp_path / "out").iterdir()
        for line in path.read_bytes().splitlines()
    ]
    assert sorted(row["id"] for row in rows) == list(range(300))
    assert {tuple(row) for row in rows} == {("id", "n", "entities")}
    again = nerx(*job)
    assert again.returncode == 2
    assert "out holds files already; name another folder, or go on with --resume" in again.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--text-key", "body"], 3, "no column 'body'; the columns are id, text"),
        (["-m", "./nowhere"], 3, "nowhere"),
        (["--limit", "3"], 2, "--limit is of one machine"),
        (["--actor-cpus", "9"], 2, "the cluster has 4 CPUs; expected 2 for Ray's own tasks"),
    ],
)
def test_what_cannot_be_is_said_once(
    nerx: Nerx, models: Path, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    write_tables(tmp_path / "in", 9, files=1)
    job = ["tag", "in/0.parquet", "-m", models / "ner", "--output-dir", "out", "--cluster", "ray"]
    done = nerx(*job, *options)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not os.path.exists(tmp_path / "out")


def test_a_bad_row_is_named(nerx: Nerx, models: Path, tmp_path: Path) -> None:
    broken = pa.array([b"Paris", b"ab\xff"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "in.parquet")
    job = ["tag", "in.parquet", "-m", models / "ner", "--output-dir", "out", "--cluster", "ray"]
    done = nerx(*job)
    assert done.returncode == 3
    assert "row 2 of 'text': not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
