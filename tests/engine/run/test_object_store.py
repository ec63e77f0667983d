"""`nerx tag` from and to a bucket of an S3 server that runs here."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nerx.engine.config import RunConfig
from nerx.engine.errors import ConfigError, InputError
from nerx.engine.files.remote import exists, expand
from nerx.engine.files.source import Source
from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.model import Model
from nerx.engine.run.run import Run

from ..conftest import sentence

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
fs = pytest.importorskip("pyarrow.fs")
server = pytest.importorskip("moto.server", reason="needs moto")

RECORDS = 60


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A file system whose folder `bucket` is served as s3://bucket."""
    settings = {
        **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test"),
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        service = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        service.start()
        host, port = service.get_host_and_port()
        for name, value in {**settings, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        filesystem, _ = fs.FileSystem.from_uri("s3://bucket?allow_bucket_creation=true")
        filesystem.create_dir("bucket")
        rows = pa.table({"id": range(RECORDS), "text": [sentence(n) for n in range(RECORDS)]})
        for name in ("a", "b"):
            pq.write_table(rows, f"bucket/in/{name}.parquet", filesystem=filesystem)
        put(
            filesystem, "bucket/in/a.jsonl", "".join(json.dumps(r) + "\n" for r in rows.to_pylist())
        )
        yield filesystem
        service.stop()


def put(filesystem: Any, place: str, text: str) -> None:
    with filesystem.open_output_stream(place) as file:
        file.write(text.encode())


def read(filesystem: Any, place: str) -> bytes:
    with filesystem.open_input_stream(place) as file:
        return bytes(file.read())


def run(model: Model, *inputs: str, **options: Any) -> Run:
    with Run(RunConfig(inputs=inputs, **options), model) as one:
        for _ in one:
            pass
    return one


def test_patterns_find_urls(bucket: Any) -> None:
    assert expand("s3://bucket/in/*.parquet") == [f"s3://bucket/in/{n}.parquet" for n in "ab"]
    assert expand("s3://bucket/**a.*") == ["s3://bucket/in/a.jsonl", "s3://bucket/in/a.parquet"]
    assert expand("s3://bucket/*.parquet") == []
    assert expand("s3://bucket/one") == ["s3://bucket/one"]


def test_lines_and_tables_are_read_and_written(
    bucket: Any, ner_model: Model, tmp_path: Path
) -> None:
    inputs = ["s3://bucket/in/a.jsonl", "s3://bucket/in/a.parquet", "s3://bucket/in/b.parquet"]
    run(ner_model, *inputs, output_dir="s3://bucket/out")
    (tmp_path / "a.jsonl").write_bytes(read(bucket, "bucket/in/a.jsonl"))
    run(ner_model, str(tmp_path / "a.jsonl"), output=str(tmp_path / "out.jsonl"))
    expected = (tmp_path / "out.jsonl").read_bytes()
    assert read(bucket, "bucket/out/a.jsonl") == expected
    for name in ("a", "b"):
        table = pq.read_table(f"bucket/out/{name}.parquet", filesystem=bucket)
        words = [[entity["word"] for entity in row] for row in table["entities"].to_pylist()]
        there = [json.loads(line)["entities"] for line in expected.splitlines()]
        assert words == [[entity["word"] for entity in row] for row in there]


def test_an_output_is_whole_or_is_not_there(bucket: Any, ner_model: Model) -> None:
    put(bucket, "bucket/bad/a.jsonl", '{"text": "Paris"}\n')
    put(bucket, "bucket/bad/b.jsonl", '{"text": "Paris"}\n{"text": 3}\n')
    inputs = [f"s3://bucket/bad/{name}.jsonl" for name in "ab"]
    with pytest.raises(InputError, match=r"s3://bucket/bad/b.jsonl:2"):
        run(ner_model, *inputs, output_dir="s3://bucket/good")
    assert exists("s3://bucket/good/a.jsonl")
    assert not exists("s3://bucket/good/b.jsonl")
    with pytest.raises(ConfigError, match=r"s3://bucket/good/a.jsonl exists"):
        run(ner_model, *inputs, output_dir="s3://bucket/good")
    put(bucket, "bucket/bad/b.jsonl", '{"text": "Paris"}\n')
    done = run(ner_model, *inputs, output_dir="s3://bucket/good", resume=True)
    assert done.progress.records == 1
    assert run(ner_model, *inputs, output_dir="s3://bucket/good", resume=True).already_done


def test_what_is_missing_or_changes_is_named(bucket: Any, ner_model: Model) -> None:
    for name in ("none.jsonl", "none.parquet"):
        with pytest.raises(InputError, match=rf"s3://bucket/{name}: no such file"):
            run(ner_model, f"s3://bucket/{name}", output_dir="s3://bucket/never")
    with pytest.raises(InputError, match=r"s3://bucket/in: is a directory"):
        Source("s3://bucket/in")
    put(bucket, "bucket/changing.jsonl", '{"text": "Paris"}\n' * 200_000)
    with Source("s3://bucket/changing.jsonl") as source:
        blocks = source.blocks(JsonlReader(), 1000)
        next(blocks)
        put(bucket, "bucket/changing.jsonl", '{"text": "Berlin"}\n' * 200_000)
        with pytest.raises(InputError, match=r"changing.jsonl (was changed|cannot be read)"):
            for _ in blocks:
                pass


def test_a_url_that_nothing_opens_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"nothing://x cannot be opened"):
        Source("nothing://x")
    assert not os.path.exists("nothing:")
