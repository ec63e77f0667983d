from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.text import TextReader, utf8
from nerx.engine.types import Block

from .hostile import ANY_TEXT, LINE_END, TEXT
from .labelled import parse


@given(st.lists(st.tuples(TEXT, LINE_END), max_size=5), st.booleans())
def test_every_line_is_a_document(rows: list[tuple[str, str]], last_end: bool) -> None:
    data = "".join(text + end for text, end in rows)
    if not last_end and rows and rows[-1][0]:
        data = data.removesuffix(rows[-1][1])
    records = parse(TextReader(), data.encode())
    assert [record.text for record in records] == [text for text, _ in rows]
    assert b"".join(record.raw for record in records) == data.encode()
    assert [record.line for record in records] == list(range(1, len(rows) + 1))
    for record in records:
        assert data.encode()[record.offset :].startswith(record.raw)


def test_a_lone_carriage_return_is_text() -> None:
    assert [record.text for record in parse(TextReader(), b"a\rb\r\n\n\r\nc\r")] == [
        "a\rb",
        "",
        "",
        "c",
    ]


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    good, bad, last = TextReader().parse(Block(b"ab\ncd\xe9\nef", 10, 1000))
    assert (good.text, last.text, bad.text) == ("ab", "ef", None)
    assert (bad.line, bad.offset) == (11, 1003)
    assert "byte 0xe9 at byte 3 of the record, offset 1005" in (bad.error or "")


def test_a_document_that_is_too_long_is_refused() -> None:
    (record,) = TextReader().parse(Block(b"aaa", 1, 0, too_long=1 << 30))
    assert "1,073,741,824 bytes" in (record.error or "")


@given(ANY_TEXT)
def test_what_utf8_cannot_hold_is_replaced(text: str) -> None:
    decoded = utf8(text).decode()
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert decoded == text
