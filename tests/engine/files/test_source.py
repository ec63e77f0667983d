import gzip
import os
import random
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nerx.engine.errors import InputError
from nerx.engine.files.source import HEAD_BYTES, Source, read_blocks
from nerx.engine.formats.base import Reader
from nerx.engine.formats.conll import ConllReader
from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.formats.text import TextReader
from nerx.engine.types import Block, Record

BOM = b"\xef\xbb\xbf"
PIECES = st.sampled_from(
    [
        b"a O",
        b"bcd O",
        b"# x",
        b"-DOCSTART-",
        b" ",
        b"\r",
        b"\n",
        b"\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xff",
    ]
)
DATA = st.lists(PIECES, max_size=40).map(b"".join)
READERS = [TextReader(), ConllReader(), JsonlReader()]


def pack(data: bytes, suffix: str) -> bytes:
    """`data` in several members or frames, as appending tools leave it."""
    third = len(data) // 3
    parts = [data[:third], data[third:], b""]
    if suffix == ".gz":
        return gzip.compress(parts[0]) + b"\0" * 7 + b"".join(map(gzip.compress, parts[1:]))
    if suffix == ".zst":
        return b"".join(map(zstandard.ZstdCompressor(write_checksum=True).compress, parts))
    return data


def write(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(pack(data, path.suffix))
    return str(path)


def records(path: str, reader: Reader, block_bytes: int, **options: int) -> list[Record]:
    blocks = read_blocks(path, reader, block_bytes, **options)
    return [record for block in blocks for record in reader.parse(block)]


@settings(deadline=None)
@given(
    data=DATA,
    bom=st.booleans(),
    suffix=st.sampled_from(["", ".gz", ".zst"]),
    reader=st.sampled_from(READERS[:2]),
    block_bytes=st.integers(1, 60),
)
def test_any_block_size_gives_the_same_records(
    data: bytes,
    bom: bool,
    suffix: str,
    reader: Reader,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = write(tmp_path_factory.mktemp("source"), "a" + suffix, BOM * bom + data)
    whole = BOM * bom + data
    start = 3 if whole.startswith(BOM) else 0
    expected = reader.parse(Block(whole[start:], 1, start)) if whole[start:] else []
    assert records(path, reader, block_bytes) == expected
    assert b"".join(record.raw for record in expected) == whole[start:]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("reader", READERS[:2], ids=["text", "conll"])
def test_reading_can_go_on_after_any_block(tmp_path: Path, suffix: str, reader: Reader) -> None:
    data = b"".join(b"word%d O\n" % n + b"\n" * (n % 3) for n in range(200))
    path = write(tmp_path, "a" + suffix, BOM + data)
    blocks = list(read_blocks(path, reader, 100))
    assert len(blocks) > 10
    for number, block in enumerate(blocks):
        rest = read_blocks(path, reader, 100, start=block.offset, first_line=block.line)
        assert list(rest) == blocks[number:]
    with pytest.raises(InputError, match=f"has {len(data) + 3} bytes; cannot go on at byte 99999"):
        list(read_blocks(path, reader, 100, start=99999))


def test_blocks_are_as_long_as_whole_records_allow(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"aa\n" * 10 + b"b" * 25 + b"\n" + b"cc\n" * 9 + b"cc")
    assert [block.data for block in read_blocks(path, TextReader(), 10)] == [
        *[b"aa\n" * 3] * 3,
        b"aa\n",
        b"b" * 25 + b"\n" + b"cc\n" * 4,
        b"cc\n" * 3,
        b"cc\ncc\ncc",
    ]


@pytest.mark.parametrize("reader", READERS[:2], ids=["text", "conll"])
@pytest.mark.parametrize("length", [90, 98, 99, 100, 101, 102, 150, 5000])
@pytest.mark.parametrize("last", [b"x O\n\n", b""])
@pytest.mark.parametrize("block_bytes", [7, 64, 100, 1000])
def test_a_record_over_the_limit_is_known_by_its_head_alone(
    tmp_path: Path, reader: Reader, length: int, last: bytes, block_bytes: int
) -> None:
    end = b"\n\n" if isinstance(reader, ConllReader) else b"\n"
    long = b"w" * (length - len(end)) + end
    path = write(tmp_path, "a.txt", b"a O" + end + long + last)
    blocks = list(read_blocks(path, reader, block_bytes, max_record_bytes=100))
    found = [record for block in blocks for record in reader.parse(block)]
    assert next(record.raw for record in found if not record.error) == b"a O" + end
    second = found[1]
    assert second.offset == 3 + len(end)
    if length <= 100:
        assert second.raw == long
        assert not any(block.too_long for block in blocks)
    else:
        assert f"{length:,} bytes" in (second.error or "")
        assert second.raw == long[:100]
        assert [block.too_long for block in blocks if block.too_long] == [length]
    if last:
        third = found[2]
        assert third.error is None
        assert third.offset == 3 + len(end) + length
        assert third.line == 1 + 2 * end.count(b"\n")


def test_a_sentence_over_the_limit_ends_at_its_blank_line(tmp_path: Path) -> None:
    rows = b"word O\n" * 1000
    path = write(tmp_path, "a.conll", b"a O\n\n" + rows + b" \t\r\nb O\n\n")
    first, long, last = records(path, ConllReader(), 64, max_record_bytes=500)
    assert (first.tokens, last.tokens) == (["a"], ["b"])
    assert "7,004 bytes" in (long.error or "")
    assert (last.line, last.offset) == (1004, 5 + 7004)


def test_blank_lines_before_a_sentence_do_not_end_it_below_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "a.conll", b"# c\n\n" * 30 + b"a O\n\n")
    long, rest = records(path, ConllReader(), 64, max_record_bytes=98)
    assert "100 bytes" in (long.error or "")
    assert (rest.tokens, rest.offset, rest.line) == (["a"], 100, 41)


def test_the_end_of_a_long_sentence_is_found_where_two_reads_meet(tmp_path: Path) -> None:
    path = write(tmp_path, "a.conll", b"x" * ((1 << 20) - 1) + b"\n\nb O\n\n")
    long, last = records(path, ConllReader(), 64, max_record_bytes=1000)
    assert "1,048,577 bytes" in (long.error or "")
    assert (last.tokens, last.line) == (["b"], 3)


def test_memory_stays_flat_through_a_line_of_any_length(tmp_path: Path) -> None:
    line = b'{"text": "' + b"a" * (200 << 20) + b'"}\n'
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(line, 1) + gzip.compress(b'{"text": "b"}\n'))
    frames = tmp_path / "bomb.jsonl.zst"
    frames.write_bytes(zstandard.compress(line) + zstandard.compress(b'{"text": "b"}\n'))
    del line
    for bomb in (path, frames):
        tracemalloc.start()
        long, last = records(str(bomb), JsonlReader(), 1 << 18)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "209,715,213 bytes" in (long.error or "")
        assert (last.text, last.line, last.offset) == ("b", 2, 209_715_213)
        assert peak < 120 << 20


def test_an_empty_file_has_no_blocks(tmp_path: Path) -> None:
    for suffix in ("", ".gz", ".zst"):
        assert list(read_blocks(write(tmp_path, "a" + suffix, b""), TextReader(), 100)) == []
    assert list(read_blocks(write(tmp_path, "bom", BOM), TextReader(), 100)) == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_was_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    data = random.Random(0).randbytes(300_000).hex().encode()
    packed = pack(data, suffix)
    path = tmp_path / f"a{suffix}"
    for length in (0, 1, 15, len(packed) // 2, len(packed) - 30):
        path.write_bytes(packed[:length])
        with pytest.raises(InputError, match=rf"a{suffix} ends in the middle .* copy it anew"):
            list(read_blocks(str(path), TextReader(), 1000))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    kind = {".gz": "gzip", ".zst": "zstd"}[suffix]
    packed = bytearray(pack(random.Random(0).randbytes(50_000).hex().encode(), suffix))
    packed[len(packed) // 2] ^= 0xFF
    for data in (b"plain text\n", pack(b"sound\n", suffix) + b"garbage", bytes(packed)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"a{suffix} is not a sound {kind} file"):
            list(read_blocks(str(path), TextReader(), 1000))


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt: no such file"):
        Source(str(tmp_path / "missing.txt"))
    with pytest.raises(InputError, match="is a directory; name the files in it"):
        Source(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        Source(write(tmp_path, "file", b"") + "/below")
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        Source("a\0b")
    if os.geteuid():
        locked = Path(write(tmp_path, "locked", b""))
        locked.chmod(0)
        with pytest.raises(InputError, match="locked cannot be read: Permission denied"):
            Source(str(locked))


def test_a_source_knows_how_far_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "a.gz", b"abc\n" * 1000)
    with Source(path) as source:
        assert source.size == os.path.getsize(path)
        assert source.read_bytes == 0
        assert sum(len(block.data) for block in source.blocks(TextReader(), 100)) == 4000
        assert source.read_bytes == source.size


def test_peeking_takes_nothing_away(tmp_path: Path) -> None:
    data = BOM + b' \n\n{"text": "a"}\n'
    with Source(write(tmp_path, "a.jsonl", data)) as source:
        assert source.peek(lambda head: not head.endswith(b"\n")) == data[3:]
        (record,) = [r for b in source.blocks(JsonlReader(), 100) for r in JsonlReader().parse(b)]
    assert (record.text, record.line, record.offset) == ("a", 3, 6)


def test_a_long_file_is_peeked_at_by_whole_lines(tmp_path: Path) -> None:
    with Source(write(tmp_path, "a", BOM + b"12345\n" * 20_000)) as source:
        head = source.peek(lambda head: True)
    assert head == b"12345\n" * ((HEAD_BYTES - 3) // 6)
    with Source(write(tmp_path, "a", b"1" * 70_000 + b"\n")) as source:
        assert source.peek(lambda head: True) == b"1" * HEAD_BYTES


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A named pipe, and the end to write to."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # so that opening to write does not wait
    writer = os.open(path, os.O_WRONLY)
    yield path, writer
    os.close(reader)


def test_a_quiet_pipe_is_answered_line_by_line(pipe: tuple[str, int]) -> None:
    path, writer = pipe
    blocks = read_blocks(path, TextReader(), 1 << 20)
    for said, heard in (
        (BOM + b"one\n", b"one\n"),
        (b"two\nthree\nfo", b"two\nthree\n"),
        (b"ur\n", b"four\n"),
    ):
        os.write(writer, said)
        began = time.monotonic()
        assert next(blocks).data == heard
        assert time.monotonic() - began < 5
    os.write(writer, b"fi")
    threading.Timer(0.3, lambda: (os.write(writer, b"ve"), os.close(writer))).start()
    last = next(blocks)
    assert (last.data, last.line, last.offset) == (b"five", 5, 3 + 19)
    assert list(blocks) == []


def test_a_quiet_pipe_is_answered_at_the_blank_line_of_a_sentence(pipe: tuple[str, int]) -> None:
    path, writer = pipe
    blocks = read_blocks(path, ConllReader(), 1 << 20)
    os.write(writer, b"a O\nb O\n\n\n# n")
    assert next(blocks).data == b"a O\nb O\n\n"
    os.write(writer, b"ext\nc O\n\n")
    assert next(blocks).data == b"\n# next\nc O\n\n"
    os.close(writer)


def test_a_busy_pipe_gives_full_blocks(pipe: tuple[str, int]) -> None:
    path, writer = pipe
    data = b"x" * 99 + b"\n"

    def feed() -> None:
        for _ in range(5000):
            os.write(writer, data)
        os.close(writer)

    thread = threading.Thread(target=feed)
    thread.start()
    blocks = list(read_blocks(path, TextReader(), 10_000))
    thread.join()
    assert b"".join(block.data for block in blocks) == data * 5000
    assert len(blocks) < 100  # 50, were no pause ever taken for quiet


def test_many_small_members_are_read_in_order(tmp_path: Path) -> None:
    rows = [b"row %d\n" % number for number in range(3000)]
    for suffix, compress in ((".gz", zlib_member), (".zst", zstandard.compress)):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"".join(map(compress, rows)))
        blocks = read_blocks(str(path), TextReader(), 1 << 16)
        assert b"".join(block.data for block in blocks) == b"".join(rows)


def zlib_member(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()
