"""`nerx tag` as its users meet it: processes, signals, pipes, full disks, exit codes, messages."""

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from nerx.engine.bundle import Bundle

from ..conftest import write_mixed_inputs

# A block of a few records, and a model that takes its time: what a large corpus is to a real one.
PROGRAM = """
import sys, time
from nerx.engine.inference import labeller
from nerx.engine.run import run
from nerx.engine.commands.cli import main

block_bytes, seconds = int(sys.argv.pop(1)), float(sys.argv.pop(1))
run.default_block_bytes = lambda device: block_bytes
if seconds:
    label = labeller.Labeller._run
    labeller.Labeller._run = lambda self, *batch: (time.sleep(seconds), label(self, *batch))[1]
main()
"""

SOON = 8  # the five seconds that are promised, on a machine that is busy with other things


class Nerx:
    """Starts `nerx tag` with a small model."""

    def __init__(self, model: Path) -> None:
        self.model = str(model)

    def words(self, *words: str, block_bytes: int = 2000, seconds: float = 0) -> list[str]:
        program = [sys.executable, "-c", PROGRAM, str(block_bytes), str(seconds)]
        return [*program, "tag", "-m", self.model, *words]

    def __call__(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run(self.words(*words, **options), capture_output=True, timeout=100)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    def start(self, *words: str, stdin: Any = None, **options: Any) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.words(*words, **options), stdin=stdin, stdout=pipe, stderr=pipe
        )


@pytest.fixture(scope="module")
def nerx(ner_folder: Path) -> Nerx:
    return Nerx(ner_folder)


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "in.txt"
    path.write_bytes(b"Paris and Berlin\n" * 3000)
    return str(path)


def journal_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(path: Path, lines: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while journal_lines(path) < lines and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)


# --- exit codes and messages -------------------------------------------------------------------


def test_exit_codes_and_what_is_said(nerx: Nerx, tmp_path: Path, source: str) -> None:
    out, bad = str(tmp_path / "out"), str(tmp_path / "bad")
    done = nerx(source, "-o", out)
    assert done.returncode == 0
    assert done.stdout == b""
    assert done.stderr.startswith(b"3,000 records, 9,000 words, ")

    exists = nerx(source, "-o", out)
    assert (exists.returncode, exists.stderr.count(b"\n")) == (2, 1)
    assert b"out exists; name another file or overwrite it with --force" in exists.stderr

    Path(source).write_bytes(b"Paris\n\xff\n")
    rejected = nerx(source, "-o", out, "--force", "--on-error", "skip", "--rejects", bad)
    assert rejected.returncode == 1
    assert b"1 records" in rejected.stderr
    assert b"1 rejected, see " + bad.encode() in rejected.stderr

    fatal = nerx(source, "-o", out, "--force")
    assert fatal.returncode == 3
    assert f"error: {source}:2: not UTF-8: byte 0xff".encode() in fatal.stderr
    missing = nerx(str(tmp_path / "missing.txt"))
    assert (missing.returncode, missing.stderr) == (
        3,
        f"error: {tmp_path}/missing.txt: no such file\n".encode(),
    )


def test_a_pattern_names_files_in_order(nerx: Nerx, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.txt"):
        (tmp_path / name).write_text(name[0] + "\n")
    done = nerx(str(tmp_path / "*.txt"), "--quiet")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["a", "b", "c"]
    assert done.stderr == b""
    nothing = nerx(str(tmp_path / "*.jsonl"))
    assert (nothing.returncode, b"matches no file" in nothing.stderr) == (3, True)


def test_statistics_are_written(nerx: Nerx, tmp_path: Path, source: str) -> None:
    stats = tmp_path / "stats.json"
    assert nerx(source, "-o", str(tmp_path / "out"), "--stats", str(stats)).returncode == 0
    assert json.loads(stats.read_text())["records"] == 3000
    again = nerx(source, "-o", str(tmp_path / "other"), "--stats", str(stats))
    assert (again.returncode, b"stats.json exists" in again.stderr) == (2, True)
    assert not (tmp_path / "other").exists()


def test_threads_bound_the_cores(nerx: Nerx, tmp_path: Path, source: str) -> None:
    stats = tmp_path / "stats.json"
    done = nerx(source, "-o", str(tmp_path / "out"), "--stats", str(stats), "--threads", "1")
    assert done.returncode == 0
    found = json.loads(stats.read_text())
    assert (found["streams"], found["workers"]) == (1, 0)
    wrong = nerx(source, "--workers", "many")
    assert (wrong.returncode, b"'many' is neither auto nor a number" in wrong.stderr) == (2, True)


def test_the_end_of_a_finished_run_is_said(nerx: Nerx, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("Paris\n")
    words = (str(source), "-o", str(tmp_path / "out"))
    assert nerx(*words).returncode == 0
    again = nerx(*words, "--resume")
    assert (again.returncode, b"already done" in again.stderr) == (0, True)


def test_files_say_what_they_are(nerx: Nerx, tmp_path: Path) -> None:
    lines, table, words = tmp_path / "part-00000", tmp_path / "ids.tsv", tmp_path / "gold"
    lines.write_text('{"text": "Paris"}\n')
    table.write_text("7\tA sentence\n8\tAnother one\n")
    words.write_text("1 Paris O\n2 fell O\n\n")
    assert json.loads(nerx(str(lines), "--quiet").stdout)["text"] == "Paris"
    for name, option in ((table, b"--format text"), (words, b"--token-column 2")):
        done = nerx(str(name))
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(f"error: {name}".encode())
        assert option in done.stderr
    done = nerx(str(words), "--token-column", "2", "--to", "conll", "--quiet")
    assert [row.split()[:3] for row in done.stdout.splitlines()[:2]] == [
        [b"1", b"Paris", b"O"],
        [b"2", b"fell", b"O"],
    ]
    done = subprocess.run(nerx.words("--quiet"), input=words.read_bytes()[2:], capture_output=True)
    assert json.loads(done.stdout.splitlines()[0])["text"] == "Paris O"


def test_of_two_pipes_the_second_must_be_named(nerx: Nerx) -> None:
    command = " ".join(nerx.words("--quiet", "<(echo Paris)", "<(echo Bonn)")[3:])
    script = f'"$0" -c "$1" 2000 0 {command.removeprefix("2000 0 ")}'
    for option, code in ((" --format text", 0), ("", 2)):
        done = subprocess.run(
            ["bash", "-c", script + option, sys.executable, PROGRAM], capture_output=True
        )
        assert (done.returncode, b"name its --format" in done.stderr) == (code, code == 2)


def test_an_empty_name_is_refused_at_once(nerx: Nerx, source: str) -> None:
    done = nerx(source, "-o", "")
    assert (done.returncode, b'--output is ""' in done.stderr) == (2, True)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_standard_input_is_unpacked(nerx: Nerx, pack: Callable[[bytes], bytes]) -> None:
    process = nerx.start("--quiet", stdin=subprocess.PIPE)
    out, said = process.communicate(pack(b'{"text": "Paris"}\n' * 100), timeout=60)
    assert (process.returncode, said) == (0, b"")
    assert out.count(b'"text": "Paris"') == 100


def test_a_named_pipe_that_loses_its_reader_is_an_error(
    nerx: Nerx, tmp_path: Path, source: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = nerx.start(source, "-o", str(pipe), seconds=0.01)
    with pipe.open("rb") as reader:
        reader.read(10)
    assert process.wait(60) == 3
    _, said = process.communicate()
    assert b"pipe cannot be written: Broken pipe" in said


# --- pipes -------------------------------------------------------------------------------------


def test_a_reader_that_has_enough_ends_the_run_quietly(nerx: Nerx, source: str) -> None:
    process = nerx.start(source, seconds=0.01)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith(b'{"text":"Paris and Berlin"')
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_quiet_pipe_is_answered_at_once_and_a_dripping_one_soon(nerx: Nerx) -> None:
    process = nerx.start("-", "--quiet", stdin=subprocess.PIPE, block_bytes=1 << 18)
    assert process.stdin
    assert process.stdout

    def ask(text: bytes) -> float:
        assert process.stdin
        assert process.stdout
        began = time.monotonic()
        process.stdin.write(text)
        process.stdin.flush()
        assert b"Paris" in process.stdout.readline()
        return time.monotonic() - began

    ask(b"Paris\n")  # the model is loaded by now
    assert min(ask(b"Paris\n") for _ in range(5)) < 0.5
    answered = threading.Event()

    def drip() -> None:  # never quiet for as long as it takes to be called quiet
        for _ in range(500):
            if answered.wait(0.02) or not process.stdin:
                return
            process.stdin.write(b"Paris\n")
            process.stdin.flush()

    dripping = threading.Thread(target=drip)
    dripping.start()
    assert b"Paris" in process.stdout.readline()
    assert dripping.is_alive()
    answered.set()
    dripping.join()
    process.stdin.close()
    process.stdout.read()
    assert process.wait(30) == 0
    process.stdout.close()
    if process.stderr:
        process.stderr.close()


# --- interrupts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words", "seconds"),
    [
        (signal.SIGINT, [], 0.05),
        (signal.SIGTERM, ["--workers", "2"], 0.05),
        (signal.SIGTERM, [], 60.0),  # a batch that never ends
    ],
)
def test_an_interrupt_ends_in_five_seconds_and_is_resumed(
    nerx: Nerx, tmp_path: Path, source: str, number: int, words: list[str], seconds: float
) -> None:
    out = tmp_path / "out"
    process = nerx.start(source, "-o", str(out), *words, seconds=seconds)
    wait_for(tmp_path / "out.journal", 1 if seconds > 1 else 3, process)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < SOON
    assert process.returncode == 130
    assert b"the same command with --resume goes on" in said
    assert b"Traceback" not in said
    assert nerx(source, "-o", str(out), *words, "--resume").returncode == 0
    assert out.read_bytes() == nerx(source).stdout


def test_an_interrupt_of_the_whole_group_reaches_workers_that_still_start(
    nerx: Nerx, tmp_path: Path, source: str
) -> None:
    process = subprocess.Popen(
        nerx.words(source, "-o", str(tmp_path / "out"), "--workers", "2"),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(tmp_path / "out.journal", 1, process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    """The worker processes of a run."""
    found = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def test_a_killed_worker_ends_the_run_and_it_is_resumed(
    nerx: Nerx, tmp_path: Path, source: str
) -> None:
    words = (source, "-o", str(tmp_path / "out"), "--workers", "2")
    process = nerx.start(*words, seconds=0.05)
    wait_for(tmp_path / "out.journal", 3, process)
    [victim, *_] = children(process)
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < SOON
    assert process.returncode == 3
    assert b"a worker died" in said
    assert f"{source}, lines ".encode() in said
    assert nerx(*words, "--resume").returncode == 0
    assert (tmp_path / "out").read_bytes() == nerx(source).stdout


def test_workers_end_with_a_run_that_is_killed_or_stuck(
    nerx: Nerx, tmp_path: Path, source: str
) -> None:
    words = (source, "-o", str(tmp_path / "out"), "--workers", "2", "--force")
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = nerx.start(*words, seconds=0.05)
        wait_for(tmp_path / "out.journal", 3, process)
        workers = children(process)
        assert len(workers) == 2
        if number == signal.SIGTERM:
            os.kill(workers[0], signal.SIGSTOP)
        began = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=30)
        while any(is_alive(worker) for worker in workers):
            time.sleep(0.01)
            assert time.monotonic() - began < SOON
        (tmp_path / "out.journal").unlink()


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


# --- kills and full disks ----------------------------------------------------------------------


def killed_and_resumed(nerx: Nerx, folder: Path, kills: int, *words: str) -> None:
    """Kills a run at random moments, each time resumed, and compares it to an unbroken one.

    A run that comes to its end before it was killed often enough is begun anew.
    """
    chance = random.Random(kills)
    (folder / "in").mkdir()
    paths, records, bad = write_mixed_inputs(folder / "in", records=90 * kills)
    for name in ("whole", "killed"):
        (folder / name).mkdir()

    def options(name: str) -> list[str]:
        place, rejects = str(folder / name / "out.zst"), str(folder / name / "bad.jsonl.gz")
        return [*paths, "-o", place, "--on-error", "skip", "--rejects", rejects, *words]

    whole = nerx(*options("whole"), "--stats", str(folder / "whole.json"))
    assert whole.returncode == 1
    journal, part = folder / "killed" / "out.zst.journal", folder / "killed" / "out.zst.part"
    for _ in range(kills):
        at = journal_lines(journal)
        resume = "--resume" if at else "--force"
        process = nerx.start(*options("killed"), resume, seconds=0.002)
        wait_for(journal, max(at, 1) + chance.randrange(1, 6), process)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        if not (journal.exists() and part.exists()):
            assert outputs_in(folder / "killed") == outputs_in(folder / "whole")
            continue
        rows = [json.loads(line) for line in journal.read_bytes().split(b"\n")[1:-1]]
        sizes = [row["output_bytes"] for row in rows]
        assert sizes == sorted(sizes)
        # What was written and has no line in the journal is one block at most.
        assert part.stat().st_size - sizes[-1] <= 2000
        reads = [row["records"] + row["rejected"] for row in rows]
        assert reads == sorted(set(reads)), "a block that was done is done again"
    resume = "--resume" if journal_lines(journal) else "--force"
    last = nerx(*options("killed"), resume, "--stats", str(folder / "killed.json"))
    assert last.returncode == 1
    assert outputs_in(folder / "killed") == outputs_in(folder / "whole")
    counts = ("read", "records", "rejected", "words", "spans")
    stats = [json.loads((folder / f"{name}.json").read_text()) for name in ("whole", "killed")]
    assert [stats[0][key] for key in counts] == [stats[1][key] for key in counts]
    assert stats[0]["read"] == records
    assert stats[0]["rejected"] == bad
    assert sorted(os.listdir(folder / "killed")) == ["bad.jsonl.gz", "out.zst"]


def outputs_in(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("out.zst", "bad.jsonl.gz")}


def test_kills_change_no_byte(nerx: Nerx, tmp_path: Path) -> None:
    killed_and_resumed(nerx, tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--workers", "2"]], ids=["a thread", "processes"])
def test_fifty_kills_change_no_byte(nerx: Nerx, tmp_path: Path, words: list[str]) -> None:
    killed_and_resumed(nerx, tmp_path, 50, *words)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_error_that_can_be_resumed(
    nerx: Nerx, small_disk: Path, source: str
) -> None:
    ballast, out = small_disk / "ballast", small_disk / "out"
    ballast.write_bytes(b"x" * 1_900_000)
    words = (source, "-o", str(out))
    full = nerx(*words)
    assert full.returncode == 3
    assert b"cannot be written: No space left on device" in full.stderr
    assert b"with --resume goes on" in full.stderr
    ballast.unlink()
    assert nerx(*words, "--resume").returncode == 0
    assert out.read_bytes() == nerx(source).stdout


# --- hostile inputs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "code", "records"),
    [
        ("empty.txt", b"", 0, 0),
        ("lines.txt", b"\n" * 10_000, 0, 10_000),
        ("lines.jsonl", b"\n" * 10_000, 0, 0),
        ("lines.conll", b"\n" * 10_000, 0, 1),
        ("unended.txt", b"Paris\nLima", 0, 2),
        ("crlf.txt", b"Paris\r\nLima\r\n", 0, 2),
        ("bom.jsonl", b'\xef\xbb\xbf{"text": "Paris"}\n', 0, 1),
        ("members.txt.gz", gzip.compress(b"Paris\nLi") + gzip.compress(b"ma\nOslo\n"), 0, 3),
        ("cut.txt.gz", gzip.compress(b"Paris\n" * 9)[:-9], 3, None),
    ],
)
def test_hostile_inputs(
    nerx: Nerx, tmp_path: Path, name: str, data: bytes, code: int, records: int | None
) -> None:
    (tmp_path / name).write_bytes(data)
    done = nerx(str(tmp_path / name), "--to", "jsonl", "--quiet")
    assert done.returncode == code, done.stderr.decode()
    if records is None:
        assert name.encode() in done.stderr
        assert b"cut short" in done.stderr
    else:
        assert done.stdout.count(b"\n") == records


def feed(process: "subprocess.Popen[bytes]", piece: bytes, times: int) -> None:
    assert process.stdin
    for _ in range(times):
        process.stdin.write(piece)
    process.stdin.write(b"\nParis\n")
    process.communicate(timeout=500)


@pytest.mark.parametrize("mebibytes", [60, pytest.param(1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize("packed", [False, True], ids=["a line", "a gzip bomb"])
def test_a_record_that_is_far_too_long_takes_no_memory(
    nerx: Nerx, tmp_path: Path, mebibytes: int, packed: bool
) -> None:
    stats, bad = tmp_path / "stats", str(tmp_path / "bad")
    options = ("--on-error", "skip", "--rejects", bad, "--stats", str(stats), "--quiet")
    output = ("-o", str(tmp_path / "out"))
    if packed:
        bomb = tmp_path / "bomb.txt.gz"
        with gzip.open(bomb, "wb", compresslevel=1) as file:
            for _ in range(mebibytes):
                file.write(b"\0" * (1 << 20))
            file.write(b"\nParis\n")
        process = nerx.start(str(bomb), *output, *options)
        process.communicate(timeout=500)
    else:
        process = nerx.start("-", *output, *options, stdin=subprocess.PIPE)
        feed(process, b"x" * (1 << 20), mebibytes)
    assert process.returncode == 1
    found = json.loads(stats.read_text())
    assert (found["records"], found["rejected"]) == (1, 1)
    [reject] = Path(bad).read_text().splitlines()
    assert f"the record has {mebibytes << 20:,}" in reject.replace(
        f"{(mebibytes << 20) + 1:,}", f"{mebibytes << 20:,}"
    )
    assert found["peak_memory_mb"] < 400


def test_a_terminal_gets_colours_a_pipe_none(nerx: Nerx, tmp_path: Path) -> None:
    import pty

    path = tmp_path / "a.txt"
    path.write_text("Paris and Berlin\n")

    def at_terminal(**environment: str) -> bytes:
        ours, theirs = pty.openpty()
        done = subprocess.run(
            nerx.words(str(path), "--quiet"), stdout=theirs, env=os.environ | environment
        )
        os.close(theirs)
        assert done.returncode == 0
        return os.read(ours, 10_000)

    assert b"\x1b[" in at_terminal(NO_COLOR="")
    plain = at_terminal(NO_COLOR="1")
    assert b"\x1b" not in plain
    assert not plain.startswith(b"{")
    assert nerx(str(path)).stdout.startswith(b'{"text":')
    assert b"\x1b" not in nerx(str(path), "--to", "pretty").stdout


def test_the_summary_tells_of_each_type(nerx: Nerx, tmp_path: Path) -> None:
    paths, _, _ = write_mixed_inputs(tmp_path)
    done = nerx(paths[0], "--on-error", "skip", "--rejects", str(tmp_path / "bad"))
    found = [item for line in done.stdout.splitlines() for item in json.loads(line)["entities"]]
    for kind in ("PER", "LOC"):
        count = sum(item["entity_group"] == kind for item in found)
        assert re.search(rf"^  {kind} +{count:,} ", done.stderr.decode(), re.M)
    assert f"words/s, {Bundle.load(nerx.model).name}, openvino" in done.stderr.decode()


def test_a_page_is_made_of_what_was_tagged(nerx: Nerx, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    (tmp_path / "a.txt").write_text("Paris and <Berlin>\n")
    page = tmp_path / "page.html"
    assert nerx(str(tmp_path / "a.txt"), "--to", "html", "-o", str(page)).returncode == 0
    html = page.read_text()
    assert html.startswith("<!doctype html>")
    assert "<h1><bdi>a.txt</bdi></h1>" in html
    again = nerx(str(tmp_path / "a.txt"), "--to", "html", "-o", str(page))
    assert again.returncode == 2
    assert b"exists" in again.stderr


def test_redaction_takes_its_key_from_a_file(nerx: Nerx, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Paris Berlin Seoul Lima Oslo\n")
    (tmp_path / "key").write_bytes(b"k" * 32)
    text = str(tmp_path / "a.txt")
    words = ("--to", "redacted", "--redact", "hash")
    done = nerx(text, *words, "--redact-key", str(tmp_path / "key"))
    assert re.search(r"\[\w+_[a-z2-7]{10}\]", json.loads(done.stdout)["text"])
    assert nerx(text, *words).returncode == 2
    assert nerx(text, "--redact", "blank").returncode == 2
