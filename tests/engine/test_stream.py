import threading
import time
from collections.abc import Iterator

import pytest

from nerx.engine.errors import InputError
from nerx.engine.formats.text import TextReader
from nerx.engine.stream import label_stream
from nerx.engine.types import Block, Counts, Record

from .test_labelling import labeller


def test_order_is_kept_and_everything_is_counted() -> None:
    lines = [f"paris {'berlin ' * (n % 7)}".encode() for n in range(50)]
    bad = {7, 8, 31}
    blocks = [
        Block(b"".join(b"\xff\n" if n in bad else lines[n] + b"\n" for n in part), part[0] + 1, 0)
        for part in (range(9), range(9, 31), range(31, 32), range(32, 50))
    ]
    counts = Counts()
    rejected: list[Record] = []
    with labeller() as engine:
        done = list(label_stream(blocks, TextReader(), engine, counts, rejected.append))
    raw = [record.raw for block in done for record in block.records]
    assert raw == [lines[n] + b"\n" for n in range(50) if n not in bad]
    assert [record.line - 1 for record in rejected] == sorted(bad)
    assert (counts.read, counts.records, counts.rejected) == (50, 47, 3)
    assert counts.words == sum(len(lines[n].split()) for n in range(50) if n not in bad)


def test_a_quiet_input_is_answered_before_its_next_block() -> None:
    answered = threading.Event()

    def blocks() -> Iterator[Block]:
        yield Block(b"paris\n", 1, 0)
        assert answered.wait(10), "the first block was not answered while the input was quiet"
        yield Block(b"\n", 2, 6)

    with labeller() as engine:
        stream = label_stream(blocks(), TextReader(), engine, Counts(), lambda record: None)
        assert next(stream).records[0].text == "paris"
        answered.set()
        assert next(stream).records[0].text == ""
        assert list(stream) == []


def test_what_the_input_or_the_reject_raises_ends_the_run() -> None:
    def blocks() -> Iterator[Block]:
        yield Block(b"paris\n", 1, 0)
        raise InputError("cut short")

    def stop(record: Record) -> None:
        raise InputError(f"line {record.line}")

    with labeller() as engine:
        with pytest.raises(InputError, match="cut short"):
            list(label_stream(blocks(), TextReader(), engine, Counts(), stop))
        bad = [Block(b"paris\n\xff\n", 1, 0)]
        with pytest.raises(InputError, match="line 2"):
            list(label_stream(bad, TextReader(), engine, Counts(), stop))


def test_few_blocks_are_in_flight() -> None:
    drawn = 0

    def blocks() -> Iterator[Block]:
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield Block(b"paris\n", number, 0)

    with labeller() as engine:
        stream = label_stream(blocks(), TextReader(), engine, Counts(), lambda record: None)
        next(stream)
        time.sleep(0.05)
        assert drawn <= 5
        assert len(list(stream)) == 99
