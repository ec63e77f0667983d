"""What was found is gone, what was not is where it is said to be."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.config import WriteOptions
from nerx.engine.errors import ConfigError
from nerx.engine.formats.annotations import entities
from nerx.engine.formats.conll import ConllReader
from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.formats.redacted import BLANK, RedactedWriter, pseudonym
from nerx.engine.formats.text import TextReader

from .hostile import ANY_TEXT
from .labelled import NER, label, parse

KEY = b"0123456789abcdef"
OPTIONS = [
    WriteOptions(redact="label"),
    WriteOptions(redact="blank"),
    WriteOptions(redact="hash", redact_key=KEY),
]
HOW = st.sampled_from(OPTIONS)


def redacted(raw: bytes, options: WriteOptions, reader=None):
    """The output of one record, and what was found in it."""
    block = label(parse(reader or JsonlReader(options.text_key or "text"), raw), NER)
    kind = "jsonl" if reader is None else "text"
    [found] = entities(block)
    return json.loads(RedactedWriter(kind, options).render(block)), found


def check(original, out, found, replaced) -> None:
    """The kept parts are those of the original, and between them is nothing but stand-ins."""
    at = here = 0
    for entity, place in zip(found, replaced, strict=True):
        assert (place["original_start"], place["original_end"]) == (entity["start"], entity["end"])
        assert out[here : place["start"]] == original[at : entity["start"]]
        at, here = entity["end"], place["end"]
    assert out[here:] == original[at:]


@given(ANY_TEXT, HOW)
def test_no_character_of_an_entity_survives(text: str, options: WriteOptions) -> None:
    raw = json.dumps({"text": text, "id": 7}).encode()
    text = json.loads(raw)["text"]
    out, found = redacted(raw, options)
    check(text, out["text"], found, out["redacted"])
    assert out["id"] == 7
    for entity, place in zip(found, out["redacted"], strict=True):
        instead = out["text"][place["start"] : place["end"]]
        kind = entity["entity_group"]
        assert (
            instead
            == {
                "label": f"[{kind}]",
                "blank": BLANK * (entity["end"] - entity["start"]),
                "hash": f"[{kind}_{pseudonym(entity['word'], kind, KEY)}]",
            }[options.redact]
        )
    if options.redact == "blank":
        assert len(out["text"]) == len(text)


@given(st.lists(ANY_TEXT, max_size=7), HOW)
def test_given_tokens_are_replaced(tokens: list[str], options: WriteOptions) -> None:
    raw = json.dumps({"tokens": tokens, "text": "all of it"}).encode()
    tokens = json.loads(raw)["tokens"]
    out, found = redacted(raw, options)
    check(tokens, out["tokens"], found, out["redacted"])
    assert "text" not in out


def test_what_an_earlier_run_found_is_dropped() -> None:
    row = {
        "body": "Secret One went",
        "tokens": None,
        "entities": [{"word": "Secret One"}],
        "spans": ["Secret"],
        "note": "kept",
    }
    raw = json.dumps(row).encode()
    twice = b'{"body": "Secret Two went", ' + raw[1:]  # of two equal keys the last counts
    for line in (raw, twice):
        out, _ = redacted(line, WriteOptions(text_key="body"))
        assert out["body"] == "[PER] went"
        assert out.keys() == {"body", "redacted", "note"}
        assert "Secret" not in json.dumps(out)


def test_other_formats_become_json_lines() -> None:
    out, _ = redacted(b"Ada Byron wrote it\n", WriteOptions(), TextReader())
    assert out["text"] == "[PER] wrote [LOC]"
    out, _ = redacted(b"Ada B-PER\nByron I-PER\nwrote O\n\n", WriteOptions(), ConllReader())
    assert out["tokens"] == ["[PER]", "wrote"]


def test_pseudonyms_are_stable_and_need_the_key() -> None:
    assert pseudonym("Ada  Byron", "PER", KEY) == pseudonym("ada byron", "PER", KEY)
    different = {
        pseudonym("Ada Byron", "PER", KEY),
        pseudonym("Ada Byron", "LOC", KEY),
        pseudonym("Ada Byrons", "PER", KEY),
        pseudonym("Ada Byron", "PER", KEY[::-1]),
    }
    assert len(different) == 4


def test_options_are_checked_and_keys_kept_out_of_sight() -> None:
    with pytest.raises(ConfigError, match="needs --redact-key FILE with 16 secret bytes"):
        WriteOptions(redact="hash", redact_key=b"short")
    with pytest.raises(ConfigError, match="redact is 'mask'"):
        WriteOptions(redact="mask")
    assert KEY.decode() not in repr(OPTIONS[2])
    assert pickle.loads(pickle.dumps(RedactedWriter("jsonl", OPTIONS[2])))._options == OPTIONS[2]
