"""Text for a terminal: all of it, marked, and nothing that a terminal obeys but colours."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.formats.pretty import PrettyWriter
from nerx.engine.formats.text import TextReader

from .hostile import ANY_TEXT
from .labelled import NER, SEGMENTATION, label, parse

COLOUR = re.compile(r"\x1b\[[\d;]*m")


def pretty(raw: bytes, reader=None, scheme=NER, colour: bool = False) -> str:
    block = label(parse(reader or TextReader(), raw), scheme)
    return PrettyWriter(colour=colour).render(block).decode()


def test_entities_are_in_brackets() -> None:
    assert pretty(b"Ada Byron wrote it here .\n") == "[Ada Byron PER] wrote [it here LOC] .\n"
    tokens = b'{"tokens": ["Ada", "Byron", "wrote", "it"]}'
    assert pretty(tokens, JsonlReader()) == "[Ada Byron PER] wrote [it LOC]\n"


def test_colours_are_ended_and_name_the_type() -> None:
    out = pretty(b"Ada Byron wrote\n", colour=True)
    assert COLOUR.sub("", out) == " Ada Byron PER  wrote\n"
    assert COLOUR.findall(out)[-1] == "\x1b[0m"


def test_words_are_parted_by_a_space() -> None:
    assert pretty("天津 是\n".encode(), scheme=SEGMENTATION) == "天津 是\n"


@given(st.lists(ANY_TEXT, min_size=1, max_size=3), st.booleans())
def test_nothing_moves_the_cursor(texts: list[str], colour: bool) -> None:
    raw = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    out = COLOUR.sub("", pretty(raw, JsonlReader(), colour=colour))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out)
    assert out.count("\n") == len(texts) + sum(text.count("\n") for text in texts)
