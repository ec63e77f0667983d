import json

from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.formats.segmented import WordsWriter
from nerx.engine.formats.text import utf8

from .hostile import ANY_TEXT
from .labelled import SEGMENTATION, label, parse


@given(st.lists(ANY_TEXT, max_size=4))
def test_a_document_is_a_line_and_only_white_space_is_lost(texts: list[str]) -> None:
    data = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    lines = WordsWriter().render(label(parse(JsonlReader(), data), SEGMENTATION)).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(texts)
    texts = [json.loads(line)["text"] for line in data.splitlines()]
    for line, text in zip(lines, texts, strict=True):
        assert "".join(line.decode().split()) == "".join(utf8(text).decode().split())


def test_words_are_joined_by_one_space() -> None:
    data = json.dumps({"text": "我们 在\n北 京大学\r\n"}).encode() + b'\n{"text": ""}\n'
    out = WordsWriter().render(label(parse(JsonlReader(), data), SEGMENTATION))
    assert out.decode() == "我们 在 北 京大 学\n\n"


def test_given_tokens_are_joined_into_words() -> None:
    data = '{"tokens": ["我", "们", "在"]}'.encode()
    out = WordsWriter().render(label(parse(JsonlReader(), data), SEGMENTATION))
    assert out.decode() == "我们 在\n"
