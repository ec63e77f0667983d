import itertools
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerx.engine.config import LabelConfig
from nerx.engine.errors import BackendError, InputError, NerxError
from nerx.engine.formats.jsonl import JsonlWriter
from nerx.engine.formats.text import TextReader
from nerx.engine.run.pool import Pool
from nerx.engine.run.stages import FinishedBlock, Stages
from nerx.engine.run.stats import Stats
from nerx.engine.run.stream import InputBlock, label_stream
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import Block

from ..fake_backend import FakeBackend
from ..inference.test_labeller import NER, labeller
from ..tokenizers_for_tests import wordpiece

BLOCK_BYTES = 10_000
ENCODER = Encoder(wordpiece(), unit="words", max_length=20, overlap=3, pad_id=0)
FORMATS = {"text": (TextReader(), JsonlWriter())}
STAGES = Stages(FORMATS, ENCODER, NER, LabelConfig())


def stream(
    blocks: Iterator[bytes],
    *,
    stages: Any = STAGES,
    processes: int = 0,
    backend: FakeBackend | None = None,
    kinds: Sequence[str] = (),
    **options: object,
) -> Iterator[FinishedBlock]:
    """The finished blocks of some input blocks."""

    def numbered() -> Iterator[InputBlock]:
        line = 1
        for number, data in enumerate(blocks):
            lines = data.count(b"\n")
            yield InputBlock(
                number,
                0,
                "input.txt",
                kinds[number] if kinds else "text",
                Block(data, line, 0, lines=lines),
            )
            line += lines

    with ExitStack() as stack:
        pool = stack.enter_context(Pool(stages, processes))
        engine = stack.enter_context(labeller(backend or FakeBackend(5), **options))
        for _, finished in label_stream(numbered(), pool, engine, BLOCK_BYTES, Stats()):
            yield finished


def output(blocks: list[bytes], **options: object) -> bytes:
    return b"".join(finished.output for finished in stream(iter(blocks), **options))


TEXTS = [b"paris %s\n" % (b"berlin " * (n % 7)) for n in range(60)]


@pytest.fixture(scope="module")
def expected() -> bytes:
    return output([b"".join(TEXTS)])


@given(cuts=st.lists(st.integers(0, 60), max_size=12), budget=st.integers(10, 300))
@settings(max_examples=30)
def test_blocks_and_budget_change_no_byte(expected: bytes, cuts: list[int], budget: int) -> None:
    bounds = [0, *sorted(cuts), 60]
    blocks = [b"".join(TEXTS[a:b]) for a, b in itertools.pairwise(bounds)]
    assert output([block for block in blocks if block], batch_tokens=budget) == expected


@pytest.mark.parametrize("processes", [1, 3])
def test_worker_processes_change_no_byte(expected: bytes, processes: int) -> None:
    blocks = [b"".join(TEXTS[n : n + 5]) for n in range(0, 60, 5)]
    assert output(blocks, processes=processes) == expected


def test_bad_records_are_set_aside_in_order_with_their_place() -> None:
    done = list(stream(iter([b"paris\n\xff\n", b"\xfe\n", b"paris\n"])))
    assert [(len(one.rejected), one.records) for one in done] == [(1, 1), (1, 0), (0, 1)]
    assert [one.rejected[0].line for one in done[:2]] == [2, 3]


def test_a_record_that_breaks_the_model_is_set_aside_alone() -> None:
    backend = FakeBackend(5, poison=wordpiece().token_to_id("n"))
    [done] = stream(iter([b"paris\n\xff\nn\nberlin\n"]), backend=backend)
    assert [(one.line, one.error) for one in done.rejected][1] == (
        3,
        "the model failed: poisoned batch",
    )
    assert done.output.count(b"\n") == done.records == 2


def test_a_model_that_always_fails_names_the_records() -> None:
    backend = FakeBackend(5, poison=wordpiece().token_to_id("[CLS]"))
    with pytest.raises(BackendError, match=r"input.txt, lines 1 to 2: poisoned"):
        list(stream(iter([b"paris\nberlin\n"]), backend=backend))


class Killer:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.raise_signal, (signal.SIGKILL,)


def test_a_killed_worker_process_ends_the_run_at_once() -> None:
    began = time.perf_counter()
    with pytest.raises(NerxError, match=r"input.txt, lines 1 to 1: a worker died"):
        list(stream(iter([b"paris\n"]), stages=Killer(), processes=1))
    assert time.perf_counter() - began < 5


def test_a_quiet_input_is_answered_before_its_next_block() -> None:
    answered = threading.Event()

    def blocks() -> Iterator[bytes]:
        yield b"paris\n"
        assert answered.wait(10), "the first block was not answered while the input was quiet"
        yield b"\n"

    finished = stream(blocks())
    assert b"paris" in next(finished).output
    answered.set()
    assert b'""' in next(finished).output
    assert list(finished) == []


def test_what_the_input_raises_ends_the_run_after_the_blocks_before_it() -> None:
    def blocks() -> Iterator[bytes]:
        yield from [b"paris\n"] * 5
        raise InputError("cut short")

    finished = stream(blocks())
    assert [next(finished).records for _ in range(5)] == [1] * 5
    with pytest.raises(InputError, match="cut short"):
        next(finished)


def test_a_fault_of_ours_names_the_records() -> None:
    with pytest.raises(NerxError, match=r"input.txt, lines 2 to 3: KeyError: .* a fault in nerx"):
        list(stream(iter([b"paris\n", b"paris\nberlin\n"]), kinds=["text", "unknown"]))


def test_of_long_records_fewer_are_in_flight() -> None:
    drawn = 0

    def blocks() -> Iterator[bytes]:
        nonlocal drawn
        for _ in range(20):
            drawn += 1
            yield b"paris\n" * BLOCK_BYTES

    finished = stream(blocks())
    next(finished)
    time.sleep(0.05)
    assert drawn <= 3
    assert len(list(finished)) == 19


def test_few_blocks_are_in_flight() -> None:
    drawn = 0

    def blocks() -> Iterator[bytes]:
        nonlocal drawn
        for _ in range(100):
            drawn += 1
            yield b"paris\n"

    finished = stream(blocks())
    next(finished)
    time.sleep(0.05)
    assert drawn <= 8
    assert len(list(finished)) == 99


def test_workers_need_no_more_than_what_can_be_pickled() -> None:
    with Pool(STAGES, 1) as pool:
        encoded = pool.open(0, "text", Block(b"paris berlin\n", 1, 0, lines=1)).result(30)
        assert encoded.words == 2
