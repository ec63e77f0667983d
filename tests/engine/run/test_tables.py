"""Parquet and Arrow files through `nerx tag`."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nerx.engine.config import RunConfig
from nerx.engine.errors import ConfigError, InputError
from nerx.engine.model import Model
from nerx.engine.run.run import Run

from ..conftest import sentence

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

HOSTILE = ["", None, "Paris\u2028\x00 Berlin", "我愛 Paris 😀", "\t\n", "e\u0301" * 40, "x" * 3000]


def table(rows: int) -> Any:
    texts = [HOSTILE[n % 7] if n % 3 == 0 else sentence(n) for n in range(rows)]
    return pa.table({"id": pa.array(range(rows), pa.int64()), "text": texts, "n": ["a"] * rows})


def run(model: Model, *inputs: Path, blocks: int | None = None, **options: Any) -> Run:
    """Does a run, or its first blocks."""
    options = {"block_bytes": 700} | options
    options = {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
    with Run(RunConfig(inputs=tuple(map(str, inputs)), **options), model) as one:
        for _ in islice(one, blocks):
            pass
    return one


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, scores as JSONL has them."""
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        for entity in row.get("entities") or ():
            entity["score"] = round(entity["score"], 4)
    return rows


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_and_columns_are_those_of_jsonl(
    tmp_path: Path, ner_model: Model, workers: int
) -> None:
    rows = table(200)
    pq.write_table(rows, tmp_path / "in.parquet", row_group_size=60, compression="zstd")
    lines = [json.dumps(row) + "\n" for row in rows.to_pylist() if row["text"] is not None]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    done = run(ner_model, tmp_path / "in.parquet", output=tmp_path / "out.parquet", workers=workers)
    run(ner_model, tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")
    found = rows_of(tmp_path / "out.parquet")
    assert [row["id"] for row in found] == list(range(200))
    assert all((row["entities"] is None) == (row["text"] is None) for row in found)
    expected = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [row for row in found if row["text"] is not None] == expected
    assert done.progress.records == 200
    file = pq.ParquetFile(tmp_path / "out.parquet")
    groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [60, 60, 60, 20]
    assert {group.column(0).compression for group in groups} == {"ZSTD"}
    metadata = file.schema_arrow.metadata
    assert metadata[b"nerx.model"].decode() == ner_model.bundle.digest
    assert not {b"nerx.row_group", b"nerx.compression"} & set(metadata)


def test_arrow_files_keep_their_batches(tmp_path: Path, ner_model: Model) -> None:
    rows = table(100)
    with pa.ipc.new_file(str(tmp_path / "in.arrow"), rows.schema) as file:
        file.write_table(rows, max_chunksize=40)
    run(ner_model, tmp_path / "in.arrow", output=tmp_path / "out.arrow")
    out = pa.ipc.open_file(str(tmp_path / "out.arrow"))
    assert [out.get_batch(n).num_rows for n in range(out.num_record_batches)] == [40, 40, 20]
    assert out.read_all()["id"].to_pylist() == list(range(100))


def test_columns_can_be_chosen(tmp_path: Path, ner_model: Model) -> None:
    pq.write_table(table(9).rename_columns(["id", "body", "n"]), tmp_path / "in.parquet")
    options = {"text_key": "body", "columns": "n,id"}
    run(ner_model, tmp_path / "in.parquet", output=tmp_path / "out.parquet", **options)
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["n", "id", "entities"]


def test_given_words_and_no_rows(tmp_path: Path, ner_model: Model) -> None:
    words = pa.table({"tokens": [["Paris", "x"], None], "text": ["not this", "nor this"]})
    pq.write_table(words, tmp_path / "words.parquet")
    pq.write_table(table(0), tmp_path / "none.parquet")
    out = tmp_path / "out"
    run(ner_model, tmp_path / "words.parquet", tmp_path / "none.parquet", output_dir=out)
    labelled = pq.read_table(out / "words.parquet")
    assert labelled.column_names == ["tokens", "text", "tags", "entities"]
    assert [tags and len(tags) for tags in labelled["tags"].to_pylist()] == [2, None]
    assert pq.read_table(out / "none.parquet").column_names == ["id", "text", "n", "entities"]


def test_tables_as_lines_and_the_first_rows(tmp_path: Path, ner_model: Model) -> None:
    pq.write_table(table(50), tmp_path / "in.parquet")
    run(ner_model, tmp_path / "in.parquet", output=tmp_path / "out.jsonl", to="jsonl")
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 50
    run(ner_model, tmp_path / "in.parquet", output=tmp_path / "out.parquet", limit=17)
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == list(range(17))


# --- bad input ---------------------------------------------------------------------------------


def test_bad_rows_are_named_or_set_aside(tmp_path: Path, ner_model: Model) -> None:
    texts = pa.array([b"Paris", b"ab\xff", b"Lima"] * 30).view(pa.string())
    pq.write_table(pa.table({"id": range(90), "text": texts}), tmp_path / "in.parquet")
    out, rejects = tmp_path / "out.parquet", tmp_path / "bad.jsonl"
    with pytest.raises(InputError, match=r"in.parquet:2: not UTF-8"):
        run(ner_model, tmp_path / "in.parquet", output=out)
    assert sorted(os.listdir(tmp_path)) == ["in.parquet", "out.parquet.journal"]
    skip = {"on_error": "skip", "rejects": rejects, "force": True}
    done = run(ner_model, tmp_path / "in.parquet", output=out, **skip).progress
    assert (done.records, done.rejected) == (60, 30)
    assert pq.read_table(out)["id"].to_pylist() == [n for n in range(90) if n % 3 != 1]
    assert [json.loads(line)["line"] for line in rejects.read_bytes().splitlines()] == list(
        range(2, 91, 3)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_key": "id"}, r"in.parquet: column 'id' is of type int64; expected texts"),
        ({"text_key": "body"}, r"in.parquet: no column 'body'; the columns are id, text, n"),
        ({"columns": "url"}, r"in.parquet: no column url; the columns are id, text, n"),
        ({"output": "-"}, r"a table is no stream of lines"),
        ({"output": "out.jsonl"}, r"out.jsonl would hold parquet"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, ner_model: Model, options: dict[str, Any], message: str
) -> None:
    pq.write_table(table(9), tmp_path / "in.parquet")
    with pytest.raises((ConfigError, InputError), match=message):
        run(ner_model, tmp_path / "in.parquet", **{"output": tmp_path / "o.parquet"} | options)
    assert os.listdir(tmp_path) == ["in.parquet"]


def test_damaged_files_are_named(tmp_path: Path, ner_model: Model) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(table(900), whole, row_group_size=100, compression="none")
    data = whole.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[:-9])
    (tmp_path / "torn.parquet").write_bytes(data[:40_000] + b"\xff" * 2000 + data[42_000:])
    for name, message in (("cut", "is no sound Parquet file"), ("torn", "in row group . of 9")):
        with pytest.raises(InputError, match=rf"{name}.parquet .*{message}"):
            run(ner_model, tmp_path / f"{name}.parquet", output=tmp_path / "out.parquet")
        (tmp_path / "out.parquet.journal").unlink(missing_ok=True)
    config = RunConfig(inputs=(str(whole),), output=str(tmp_path / "o.parquet"))
    with Run(config, ner_model) as one:
        blocks = iter(one)
        next(blocks)
        os.utime(whole, ns=(1, 1))
        with pytest.raises(InputError, match=r"whole.parquet was changed while it was read"):
            list(blocks)
    assert not (tmp_path / "o.parquet").exists()


def test_tables_of_other_columns_need_outputs_of_their_own(
    tmp_path: Path, ner_model: Model
) -> None:
    pq.write_table(table(9), tmp_path / "a.parquet")
    pq.write_table(table(9).select(["text"]), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="rows of other columns than the first"):
        run(
            ner_model, tmp_path / "a.parquet", tmp_path / "b.parquet", output=tmp_path / "o.parquet"
        )


# --- resuming, shards --------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [1, 9, 14, 20])
def test_a_resumed_run_goes_on_with_the_first_unfinished_file(
    tmp_path: Path, ner_model: Model, blocks: int
) -> None:
    inputs = [tmp_path / f"{name}.parquet" for name in "abc"]
    for path in inputs:
        pq.write_table(table(60), path, row_group_size=25)
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(ner_model, *inputs, output_dir=whole)
    run(ner_model, *inputs, output_dir=out, blocks=blocks)
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert len(finished) < 3
    done = run(ner_model, *inputs, output_dir=out, resume=True)
    assert done.progress.records == 180
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items())
    assert sorted(os.listdir(out)) == sorted(os.listdir(whole))
    for path in whole.iterdir():
        assert pq.read_table(out / path.name).equals(pq.read_table(path))


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "conll", "text"])
@pytest.mark.parametrize("count", [1, 3, 7, 50])
def test_the_union_of_the_shards_of_a_file_is_the_whole(
    tmp_path: Path, ner_model: Model, kind: str, count: int
) -> None:
    source = tmp_path / {"text": "in.txt"}.get(kind, f"in.{kind}")
    if kind == "parquet":
        pq.write_table(table(60), source, row_group_size=7)
    elif kind == "jsonl":
        lines = [json.dumps({"id": n, "text": sentence(n) * (n % 5)}) for n in range(60)]
        source.write_text("\ufeff" + "\n".join(lines))
    elif kind == "conll":
        source.write_text("\n\n\n".join(sentence(n).replace(" ", " X\n") + " X" for n in range(30)))
    else:
        source.write_text("".join(sentence(n) + "\n" for n in range(60)))
    out = tmp_path / "out"
    run(ner_model, source, output_dir=out)
    parts = tmp_path / "parts"
    for number in range(count):
        run(ner_model, source, output_dir=parts, shard=(number, count), cut=True)
    names = [f"in.{n + 1}-of-{count}" for n in range(count)]
    [whole] = out.iterdir()
    assert sorted(path.stem for path in parts.iterdir()) == sorted(names)
    if kind == "parquet":
        tables = [pq.read_table(parts / f"{name}.parquet") for name in names]
        assert pa.concat_tables(tables).equals(pq.read_table(whole))
    else:
        pieces = [(parts / (name + whole.suffix)).read_bytes() for name in names]
        assert b"".join(pieces) == whole.read_bytes()


def test_what_cannot_be_cut_is_refused(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt.gz"
    source.write_bytes(gzip.compress(b"a"))
    with pytest.raises(InputError, match="is compressed, it cannot be cut into 3 shards"):
        run(ner_model, source, output_dir=tmp_path / "out", shard=(0, 3), cut=True)
