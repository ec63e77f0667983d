import gzip
import json
import os
from base64 import b64decode
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerx.engine.bundle import Bundle
from nerx.engine.config import LabelConfig, RunConfig
from nerx.engine.errors import ConfigError, InputError, NerxError
from nerx.engine.formats.conll import ConllReader
from nerx.engine.model import Model
from nerx.engine.run.run import Run
from nerx.engine.run.stages import FinishedBlock, Stages
from nerx.engine.types import Block, WordLabels

from ..conftest import write_mixed_inputs

SKIP = {"on_error": "skip", "block_bytes": 700}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], int, int]:
    return write_mixed_inputs(tmp_path_factory.mktemp("mixed"))


def run(model: Model, *inputs: str, blocks: int | None = None, **options: Any) -> Run:
    """Does a run, or its first blocks."""
    with Run(RunConfig(inputs=inputs, **options), model) as one:
        for _ in islice(one, blocks):
            pass
    return one


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def written(folder: Path, name: str = "out") -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return {"output": str(folder / name), "rejects": str(folder / "bad.jsonl")}


# --- counts and places -------------------------------------------------------------------------


def test_records_in_are_records_out_and_rejected(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int]
) -> None:
    paths, records, bad = mixed
    done = run(ner_model, *paths, **written(tmp_path), **SKIP, to="jsonl").progress
    rejects = (tmp_path / "bad.jsonl").read_bytes().splitlines()
    assert done.read == records
    assert (tmp_path / "out").read_bytes().count(b"\n") == done.records == records - bad
    assert len(rejects) == done.rejected == bad
    assert sorted(os.listdir(tmp_path)) == ["bad.jsonl", "out"]


def test_a_reject_names_file_line_and_offset(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int]
) -> None:
    paths, *_ = mixed
    run(ner_model, *paths, **written(tmp_path), **SKIP)
    rows = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [(Path(row["file"]).name, row["line"]) for row in rows] == [
        ("a.jsonl", 6),
        ("a.jsonl", 61),
        ("b.jsonl.gz", 6),
        ("c.conll.zst", rows[3]["line"]),
        ("d.txt", 120),
        ("f.conll", rows[3]["line"]),
    ]
    for row in (rows[0], rows[1], rows[4]):  # the others are of packed inputs, or rows among many
        raw = row["raw"].encode() if "raw" in row else b64decode(row["raw_base64"])
        assert raw
        assert Path(row["file"]).read_bytes()[row["offset"] :].startswith(raw)


def test_the_first_bad_record_ends_the_run_and_all_before_its_block_is_out(
    tmp_path: Path, ner_model: Model
) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris Berlin\n" * 100 + b"\xff\n" + b"Lima\n" * 50)
    with pytest.raises(InputError, match=r"in.txt:101: not UTF-8"):
        run(ner_model, str(source), output=str(tmp_path / "out"), block_bytes=130)
    assert (tmp_path / "out.part").read_bytes().count(b"\n") == 100
    assert not (tmp_path / "out").exists()


def test_more_bad_records_than_allowed_end_the_run(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n\xff\n" * 9)
    with pytest.raises(InputError, match=r"in.txt:18: 9 bad records, of which --max-errors allow"):
        run(ner_model, str(source), **written(tmp_path), on_error="skip", max_errors=8)


# --- what may not change the result ------------------------------------------------------------


@given(block_bytes=st.integers(60, 20_000), batch_tokens=st.integers(64, 3000))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_and_batches_change_no_byte(
    tmp_path: Path,
    ner_model: Model,
    ner_folder: Path,
    mixed: tuple[list[str], int, int],
    block_bytes: int,
    batch_tokens: int,
) -> None:
    if not (tmp_path / "a").exists():
        run(ner_model, *mixed[0], **written(tmp_path / "a"), **SKIP)
    config = LabelConfig(batch_tokens=batch_tokens)
    options = SKIP | {"force": True, "block_bytes": block_bytes}
    with Model(Bundle.load(ner_folder), config=config) as model:
        run(model, *mixed[0], **written(tmp_path / "b"), **options)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_worker_processes_change_no_byte(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int]
) -> None:
    for workers in (0, 2):
        run(ner_model, *mixed[0], **written(tmp_path / str(workers)), **SKIP, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "2")


@pytest.mark.parametrize(
    "end", [b"", b"\n", b"\n\n", b"\r\n", b"\n \n", b"\n# a comment after the last row\n"]
)
@pytest.mark.parametrize("name", ["out", "out.gz"])
def test_a_sentence_ends_with_its_file(
    tmp_path: Path, ner_model: Model, end: bytes, name: str
) -> None:
    paths = [tmp_path / f"{number}.conll" for number in range(3)]
    for path in paths:
        path.write_bytes(b"Lima X\n\nParis X\nBerlin X" + end)
    inputs = [str(path) for path in paths]
    whole, broken = tmp_path / f"whole.{name}", tmp_path / f"broken.{name}"
    run(ner_model, *inputs, output=str(whole))
    run(ner_model, *inputs, output=str(broken), blocks=1)
    run(ner_model, *inputs, output=str(broken), resume=True)
    assert broken.read_bytes() == whole.read_bytes()

    rows = gzip.decompress(whole.read_bytes()) if name == "out.gz" else whole.read_bytes()
    tokens = [record.tokens for record in ConllReader().parse(Block(rows, 1, 0)) if record.tokens]
    assert tokens == [["Lima"], ["Paris", "Berlin"]] * 3
    last_row = rows[rows.rindex(b"Berlin") :]
    assert (
        last_row.partition(b"\n")[2] == end.partition(b"\n")[2]
    )  # a comment after the last row is as it was


# --- an output for each input ------------------------------------------------------------------


def test_an_output_for_each_input_is_that_of_a_run_of_its_own(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int]
) -> None:
    folder = tmp_path / "new" / "folder"
    rejects = {"rejects": str(tmp_path / "bad.jsonl")}
    done = run(ner_model, *mixed[0], output_dir=str(folder), **rejects, **SKIP).progress
    assert sorted(os.listdir(folder)) == [
        "a.jsonl",
        "b.jsonl.gz",
        "c.conll.zst",
        "d.jsonl",
        "e.jsonl",
        "f.conll",
    ]
    assert done.read == mixed[1]
    for path, name in zip(mixed[0], sorted(os.listdir(folder)), strict=True):
        run(ner_model, path, **written(tmp_path, name), **SKIP, force=True)
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_inputs_that_would_share_an_output_are_refused(tmp_path: Path, ner_model: Model) -> None:
    paths = []
    for name in ("x/a.txt", "x/a.bio"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Paris\n")
        paths.append(str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"x/a.txt and .*x/a.bio would both be written to"):
        run(ner_model, *paths, output_dir=str(tmp_path / "out"), to="jsonl")


def test_a_folder_of_outputs_has_the_tree_of_its_inputs(tmp_path: Path, ner_model: Model) -> None:
    names = ["x/a.txt", "y/deep/a.txt", "b.txt"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"Paris {name}\n")
    out = tmp_path / "out"
    run(ner_model, *(str(tmp_path / "in" / name) for name in names), output_dir=str(out))
    found = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.jsonl")}
    assert sorted(found) == ["b.jsonl", "x/a.jsonl", "y/deep/a.jsonl"]
    for name in names:
        assert json.loads(found[name.replace(".txt", ".jsonl")])["text"] == f"Paris {name}"


@pytest.mark.parametrize("block_bytes", [40, 100_000])
def test_a_limit_takes_the_first_records(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int], block_bytes: int
) -> None:
    options = {"to": "jsonl", "on_error": "skip", "block_bytes": block_bytes}
    run(ner_model, *mixed[0], **written(tmp_path, "all"), **options)
    kept = (tmp_path / "all").read_bytes().splitlines()
    for limit in (0, 1, 7, 130, 10_000):
        files = {"output": str(tmp_path / "some"), "rejects": str(tmp_path / "bad")}
        done = run(ner_model, *mixed[0], **files, **options, limit=limit, force=True).progress
        assert done.read == min(limit, mixed[1])
        assert (tmp_path / "some").read_bytes().splitlines() == kept[: done.records]


def test_outputs_that_exist_are_refused_before_anything_is_done(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int]
) -> None:
    (tmp_path / "f.conll").write_text("old")
    with pytest.raises(ConfigError, match=r"f.conll exists; .*--force"):
        run(ner_model, *mixed[0], output_dir=str(tmp_path))
    assert contents(tmp_path) == {"f.conll": b"old"}


def test_an_input_is_never_written_to(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "Paris"}\n')
    os.symlink(source, tmp_path / "link")
    for options in (
        {"output": str(source)},
        {"output": str(tmp_path / "link")},
        {"output_dir": str(tmp_path)},
        {"output": str(tmp_path / "out"), "rejects": str(source), "on_error": "skip"},
    ):
        with pytest.raises(ConfigError, match="is an input"):
            run(ner_model, str(source), **options, force=True)
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "link"]
    same = str(tmp_path / "out")
    with pytest.raises(ConfigError, match="both for the output and for --rejects"):
        run(ner_model, str(source), output=same, rejects=same, on_error="skip")
    with pytest.raises(ConfigError, match="- is named both for the output and for --rejects"):
        run(ner_model, str(source), output="-", rejects="-", on_error="skip")
    with pytest.raises(ConfigError, match="is an input"):
        run(ner_model, str(source), output=same, stats=str(source), force=True)


@pytest.mark.parametrize("name", ["rejects", "stats"])
def test_what_stands_beside_the_output_is_not_overwritten_unasked(
    tmp_path: Path, ner_model: Model, name: str
) -> None:
    source, kept = tmp_path / "in.txt", tmp_path / "kept"
    source.write_text("Paris\n")
    kept.write_text("old")
    options = {name: str(kept)} | ({"on_error": "skip"} if name == "rejects" else {})
    with pytest.raises(ConfigError, match=r"kept exists; .*--force"):
        run(ner_model, str(source), output=str(tmp_path / "out"), **options)
    assert contents(tmp_path) == {"in.txt": b"Paris\n", "kept": b"old"}


# --- resuming ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["out.jsonl", "out.gz", "out.zst", "folder"])
def test_a_run_that_ends_after_any_block_is_resumed_to_the_same_bytes(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int], where: str
) -> None:
    def options(folder: Path) -> dict[str, Any]:
        place = written(folder, where) | SKIP | {"block_bytes": 2000}
        return place | ({"output": "-", "output_dir": place["output"]} if where == "folder" else {})

    unbroken = run(ner_model, *mixed[0], **options(tmp_path / "whole"))
    expected = contents(tmp_path / "whole")
    broken = tmp_path / "broken"
    ends = 0
    with Run(RunConfig(inputs=tuple(mixed[0]), **options(broken)), ner_model) as one:
        next(iter(one))
    while True:
        for torn in broken.rglob("*.part"):
            torn.write_bytes(torn.read_bytes() + b"half a bl")
        for torn in broken.rglob("*.journal"):
            torn.write_bytes(torn.read_bytes() + b'{"source": 1, "off')
        with Run(
            RunConfig(inputs=tuple(mixed[0]), **options(broken), resume=True), ner_model
        ) as one:
            before = one.progress.read
            if next(iter(one), None) is None:
                break
        ends += 1
        assert one.progress.read >= before
    assert ends > 8
    assert contents(broken) == expected
    assert one.progress == unbroken.progress


@pytest.mark.parametrize("bad", [True, False], ids=["with rejects", "without"])
@pytest.mark.parametrize("name", ["out", "out.gz"])
def test_a_run_that_ended_while_it_named_its_outputs_is_resumed(
    tmp_path: Path, ner_model: Model, mixed: tuple[list[str], int, int], bad: bool, name: str
) -> None:
    inputs = mixed[0] if bad else [mixed[0][4]]  # which is empty
    expected, folder = tmp_path / "expected", tmp_path / "b"
    run(ner_model, *inputs, **written(expected, name), **SKIP)
    journal, kept = folder / f"{name}.journal", b""
    with Run(RunConfig(inputs=tuple(inputs), **written(folder, name), **SKIP), ner_model) as one:
        kept = journal.read_bytes()
        for _ in one:
            kept = journal.read_bytes()
    assert not journal.exists()
    journal.write_bytes(kept)  # as if it had been killed before it removed the journal
    done = run(ner_model, *inputs, **written(folder, name), **SKIP, resume=True)
    assert contents(folder) == contents(expected)
    assert done.progress.read == (mixed[1] if bad else 0)


def test_a_file_of_somebody_else_is_not_taken_for_an_unfinished_output(
    tmp_path: Path, ner_model: Model
) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n" * 50)
    output = {"output": str(tmp_path / "out"), "block_bytes": 60}
    run(ner_model, str(source), **output, blocks=2)
    (tmp_path / "out.part").unlink()
    (tmp_path / "out").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="not the output of the run"):
        run(ner_model, str(source), **output, resume=True)
    assert (tmp_path / "out").read_bytes() == b"precious"


def test_resuming_a_finished_run_does_nothing(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n")
    run(ner_model, str(source), output=str(tmp_path / "out"))
    before = contents(tmp_path)
    assert run(ner_model, str(source), output=str(tmp_path / "out"), resume=True).already_done
    assert contents(tmp_path) == before


def test_another_batch_size_does_not_forbid_resuming(
    tmp_path: Path, ner_model: Model, ner_folder: Path
) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n" * 50)
    output = {"output": str(tmp_path / "out"), "block_bytes": 60}
    run(ner_model, str(source), **output, blocks=2)
    with Model(Bundle.load(ner_folder), config=LabelConfig(batch_tokens=99)) as other:
        assert run(other, str(source), **output, resume=True).progress.read == 50


def test_a_run_can_go_on_past_a_bad_record(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris Berlin\n" * 30 + b"\xff\n" + b"Lima\n" * 30)
    output = {"output": str(tmp_path / "out"), "block_bytes": 130}
    with pytest.raises(InputError, match=":31:"):
        run(ner_model, str(source), **output)
    rejects = {"on_error": "skip", "rejects": str(tmp_path / "bad")}
    done = run(ner_model, str(source), **output, **rejects, resume=True)
    assert (done.done_before.read, done.progress.read, done.progress.rejected) == (30, 61, 1)
    run(
        ner_model,
        str(source),
        **(output | {"output": str(tmp_path / "unbroken")}),
        **rejects | {"rejects": str(tmp_path / "bad2")},
    )
    assert (tmp_path / "out").read_bytes() == (tmp_path / "unbroken").read_bytes()
    assert (tmp_path / "bad").read_bytes() == (tmp_path / "bad2").read_bytes()


def test_what_differs_from_the_run_before_is_named(
    tmp_path: Path, ner_model: Model, ner_folder: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"text": "Paris"}\n' * 50)
    output = {"output": str(tmp_path / "out"), "block_bytes": 100}
    run(ner_model, str(source), **output, blocks=2)
    kept = contents(tmp_path)

    def refused(what: str, model: Model = ner_model, **options: Any) -> None:
        with pytest.raises(ConfigError, match=f"out.journal is of another run: {what} was"):
            run(model, str(source), **(output | {"resume": True} | options))

    refused("to", to="conll")
    refused("text_key", text_key="body")
    refused("block_bytes", block_bytes=101)
    with Model(Bundle.load(ner_folder), config=LabelConfig(decode="argmax")) as other:
        refused("labelling", other)
    with pytest.raises(ConfigError, match=r"unfinished run; go on with --resume, or start anew"):
        run(ner_model, str(source), **output)
    os.utime(source, ns=(1, 1))
    refused("inputs")
    assert contents(tmp_path) == kept
    run(ner_model, str(source), **output, force=True)
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out"]


def test_rejects_must_be_named_again(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"\xff\nParis\n" * 50)
    run(ner_model, str(source), **written(tmp_path), on_error="skip", block_bytes=100, blocks=1)
    output = {"output": str(tmp_path / "out"), "block_bytes": 100, "resume": True}
    with pytest.raises(ConfigError, match=r"set \d+ records aside; resume it with its"):
        run(ner_model, str(source), **output)


def test_an_output_has_one_run_at_a_time(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n" * 50)
    output = {"output": str(tmp_path / "out"), "block_bytes": 100}
    with Run(RunConfig(inputs=(str(source),), **output), ner_model) as first:
        going = iter(first)
        next(going)
        for options in ({"resume": True}, {"force": True}):
            with pytest.raises(ConfigError, match="in use: another run writes this output"):
                run(ner_model, str(source), **output, **options)
        for _ in going:
            pass
    assert (tmp_path / "out").read_bytes().count(b"\n") == 50


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path, ner_model: Model) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"Paris\n")
    (tmp_path / "bad").write_text("old")
    with pytest.raises(ConfigError, match="bad exists"):
        run(
            ner_model,
            str(source),
            output=str(tmp_path / "out"),
            on_error="skip",
            rejects=str(tmp_path / "bad"),
        )
    assert not (tmp_path / "out.journal").exists()
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        run(ner_model, str(source), output=str(tmp_path / "missing" / "out"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "skip"}, "needs --rejects"),
        ({"rejects": "x"}, "need --on-error skip"),
        ({"max_errors": 1}, "need --on-error skip"),
        ({"output": "a", "output_dir": "b"}, "give one"),
        ({"inputs": ("-",), "output_dir": "b"}, "needs files"),
        ({"resume": True}, "needs an --output file"),
        ({"resume": True, "output": "x", "inputs": ("-",)}, "needs files for input"),
        ({"resume": True, "output": "x", "inputs": (__file__,), "force": True}, "give one"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(**({"inputs": ("a",)} | options))


# --- statistics --------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_statistics_add_up(
    tmp_path: Path,
    ner_model: Model,
    ner_folder: Path,
    mixed: tuple[list[str], int, int],
    workers: int,
) -> None:
    with Model(Bundle.load(ner_folder)) as model:
        stats = run(model, *mixed[0], **written(tmp_path), **SKIP, workers=workers).stats()
    assert json.loads(json.dumps(stats)) == stats
    assert stats["read"] == stats["records"] + stats["rejected"] == mixed[1]
    assert stats["rejected"] == mixed[2]
    assert 0 < stats["subwords"] <= stats["padded_subwords"]
    assert stats["padding"] == pytest.approx(
        1 - stats["subwords"] / stats["padded_subwords"], abs=1e-5
    )
    assert 0 < sum(stats["wait_s"].values()) <= stats["seconds"] + 0.01
    assert all(seconds >= 0 for seconds in stats["stage_s"].values())
    assert 20 < stats["peak_memory_mb"] < 5000
    assert (stats["peak_memory_of_a_worker_mb"] > 20) == bool(workers)


def test_a_record_that_gets_lost_ends_the_run(
    ner_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.txt").write_text("paris\nberlin\n")
    whole = Stages.close

    def losing(self: Stages, number: int, labels: WordLabels) -> FinishedBlock:
        finished = whole(self, number, labels)
        return replace(finished, records=finished.records - 1)

    monkeypatch.setattr(Stages, "close", losing)
    with pytest.raises(NerxError, match="2 records went in, 1 came out and 0 were set aside"):
        run(ner_model, str(tmp_path / "in.txt"), output=str(tmp_path / "out.jsonl"))
