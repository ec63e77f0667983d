import gzip
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from nerx.engine.errors import ConfigError, NerxError
from nerx.engine.files.sink import Sink
from nerx.engine.files.source import read_blocks
from nerx.engine.formats.text import TextReader

BLOCKS = [b"one\n", b"", b"two\nthree\n"]


@pytest.mark.parametrize("suffix", [".jsonl", ".gz", ".zst", ".GZ"])
def test_what_is_written_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = str(tmp_path / f"out{suffix}")
    with Sink(path) as sink:
        for data in BLOCKS:
            sink.write(data)
    assert [block.data for block in read_blocks(path, TextReader(), 4)] == [
        b"one\n",
        b"two\n",
        b"three\n",
    ]
    assert os.listdir(tmp_path) == [f"out{suffix}"]


def test_every_write_is_a_member_or_frame_of_its_own(tmp_path: Path) -> None:
    for suffix, unpack in ((".gz", gzip.decompress), (".zst", zstandard.decompress)):
        path = tmp_path / f"out{suffix}"
        sizes = [0]
        with Sink(str(path)) as sink:
            for data in BLOCKS:
                sink.write(data)
                sizes.append((tmp_path / f"out{suffix}.part").stat().st_size)
        packed = path.read_bytes()
        assert unpack(packed[sizes[0] : sizes[1]]) == BLOCKS[0]
        assert sizes[1] == sizes[2]
        assert unpack(packed[sizes[2] :]) == BLOCKS[2]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_an_output_of_nothing_is_a_sound_file(tmp_path: Path, suffix: str) -> None:
    path = str(tmp_path / f"out{suffix}")
    Sink(path).close()
    assert list(read_blocks(path, TextReader(), 100)) == []


def test_the_same_blocks_make_the_same_bytes(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        for name in "ab":
            with Sink(str(tmp_path / (name + suffix))) as sink:
                sink.write(b"data\n" * 100)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_name_appears_when_the_output_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with Sink(str(path)) as sink:
        sink.write(b"data")
        assert not path.exists()
    assert path.read_bytes() == b"data"
    with suppress(RuntimeError), Sink(str(path), force=True) as sink:
        sink.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"data"
    assert (tmp_path / "out.part").read_bytes() == b"half"


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(ConfigError, match=r"out exists; name another file or .* --force"):
        Sink(str(path))
    assert path.read_bytes() == b"old"
    with Sink(str(path), force=True) as sink:
        sink.write(b"new")
    assert path.read_bytes() == b"new"


def test_what_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; name a file in it"):
        Sink(str(tmp_path), force=True)
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        Sink(str(tmp_path / "missing" / "out"))
    with pytest.raises(ConfigError, match="cannot be written: embedded null byte"):
        Sink("a\0b")


def test_devices_are_written_to_directly(tmp_path: Path) -> None:
    with Sink("/dev/null") as sink:
        sink.write(b"data")
    assert not Path("/dev/null.part").exists()
    full = Sink("/dev/full")
    with pytest.raises(NerxError, match="/dev/full cannot be written: No space left on device"):
        full.write(b"data")
    full.close()


def test_a_pipe_that_nobody_reads_any_more_is_an_error() -> None:
    reader, writer = os.pipe()
    sink = Sink(f"/dev/fd/{writer}")
    os.close(reader)
    with pytest.raises(NerxError, match="cannot be written: Broken pipe"):
        sink.write(b"data")
    sink.close()
    os.close(writer)


@pytest.mark.parametrize("name", ["out", "out.part"])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_bytes(b"old")
    (tmp_path / name).symlink_to(tmp_path / "precious")
    with Sink(str(tmp_path / "out"), force=True) as sink:
        sink.write(b"new")
    assert (tmp_path / "precious").read_bytes() == b"old"
    assert (tmp_path / "out").read_bytes() == b"new"
    assert not (tmp_path / "out").is_symlink()


def test_stdout_stays_open() -> None:
    code = (
        "from nerx.engine.files.sink import Sink\n"
        "with Sink('-') as sink:\n    sink.write(b'one\\n')\n"
        "print('two')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"one\ntwo\n"
