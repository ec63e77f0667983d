import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerx.engine.formats.jsonl import JsonlReader, JsonlSplicer, JsonlWriter
from nerx.engine.formats.text import TextReader
from nerx.engine.types import Block

from .hostile import ANY_TEXT, TEXT
from .labelled import NER, SEGMENTATION, label, parse

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
)
DOCUMENTS = st.one_of(
    st.fixed_dictionaries({"text": ANY_TEXT}),
    st.fixed_dictionaries({"tokens": st.lists(ANY_TEXT, max_size=8)}),
    st.fixed_dictionaries({"text": ANY_TEXT, "tokens": st.lists(ANY_TEXT, max_size=8)}),
)
OBJECTS = st.tuples(
    st.dictionaries(ANY_TEXT, VALUES, max_size=4),
    DOCUMENTS,
    st.dictionaries(st.sampled_from(["entities", "words", "tags"]), VALUES, max_size=2),
).map(lambda parts: parts[0] | parts[1] | parts[2])
OUTPUT_KEYS = {"entities", "words", "tags"}


def escape(key: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in key)


def dump(value: object, ascii_only: bool, spaced: bool) -> bytes:
    separators = (", ", " : ") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """An object as some tool may write it."""
    value = draw(OBJECTS)
    line = dump(value, ascii_only=True, spaced=draw(st.booleans()))
    if draw(st.booleans()):
        with suppress(UnicodeEncodeError):
            line = json.dumps(value, ensure_ascii=False).encode()
    return draw(st.sampled_from([b"", b" ", b"\t"])) + line + draw(st.sampled_from([b"", b" "]))


def same(a: object, b: object) -> bool:
    """Equality of JSON values in which NaN equals NaN."""
    return json.dumps(a) == json.dumps(b)


@given(st.lists(json_lines(), max_size=4), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_the_output_is_the_input_with_the_labels_added(
    rows: list[bytes], end: bytes, last_end: bool
) -> None:
    data = end.join(rows) + (end if last_end and rows else b"")
    records = parse(JsonlReader(), data)
    assert [record.error for record in records] == [None] * len(rows)
    for scheme in (NER, SEGMENTATION):
        out = JsonlSplicer().render(label(records, scheme))
        assert out.count(b"\n") == len(rows)
        assert out.endswith(b"\n") or not rows
        for row, line in zip(rows, out.split(b"\n"), strict=False):
            before, after = json.loads(row), json.loads(line)
            added = {"entities" if scheme is NER else "words"}
            if "tokens" in before:
                added.add("tags")
            assert same(
                {key: after[key] for key in after if key not in added},
                {key: before[key] for key in before if key not in added},
            )
            assert added <= after.keys()
            if not added & before.keys():
                assert line.startswith(row.rstrip(b" ")[:-1])


@given(ANY_TEXT)
def test_entities_slice_back_to_the_text(text: str) -> None:
    raw = json.dumps({"text": text}).encode()
    text = json.loads(raw)["text"]  # where two surrogates make a pair, they have become one
    out = json.loads(JsonlSplicer().render(label(parse(JsonlReader(), raw), NER)))
    assert len(out["entities"]) == -(-len(text.split()) // 3) or "\x1c" in text or "\x85" in text
    for entity in out["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["word"]
        assert entity["score"] == 0.9877


@given(ANY_TEXT)
def test_words_join_to_the_text(text: str) -> None:
    raw = json.dumps({"text": text}).encode()
    text = json.loads(raw)["text"]  # where two surrogates make a pair, they have become one
    out = json.loads(JsonlSplicer().render(label(parse(JsonlReader(), raw), SEGMENTATION)))
    assert "".join(out["words"]) == text
    assert "" not in out["words"]


@given(st.lists(ANY_TEXT, max_size=8))
def test_for_tokens_offsets_count_tokens(tokens: list[str]) -> None:
    raw = json.dumps({"tokens": tokens}).encode()
    tokens = json.loads(raw)["tokens"]
    records = parse(JsonlReader(), raw)
    out = json.loads(JsonlSplicer().render(label(records, NER)))
    assert len(out["tags"]) == len(tokens)
    for entity in out["entities"]:
        assert entity["word"] == " ".join(tokens[entity["start"] : entity["end"]])
        assert out["tags"][entity["start"]] == "B-" + entity["entity_group"]
    out = json.loads(JsonlSplicer().render(label(records, SEGMENTATION)))
    assert json.dumps("".join(out["words"])) == json.dumps("".join(tokens))
    assert len(out["tags"]) == len(tokens)


@pytest.mark.parametrize("key", ["entities", escape("entities"), escape("e") + "ntities"])
def test_a_key_that_is_there_is_replaced(key: str) -> None:
    raw = f'{{"n": 1e999, "{key}": [1], "big": 123456789012345678901, "text": "Paris"}}\r\n'
    out = JsonlSplicer().render(label(parse(JsonlReader(), raw.encode()), NER))
    pairs = json.loads(out, object_pairs_hook=list)
    assert [name for name, _ in pairs] == ["n", "entities", "big", "text"]
    assert dict(pairs)["big"] == 123456789012345678901
    assert dict(dict(pairs)["entities"][0])["word"] == "Paris"
    assert out.endswith(b"}\r\n")


def test_a_key_too_deep_to_write_anew_is_overruled() -> None:
    raw = b'{"text":"Paris","entities":1,"deep":' + b"[" * 1010 + b"]" * 1010 + b"}"
    out = JsonlSplicer().render(label(parse(JsonlReader(), raw), NER))
    assert out.startswith(raw[:-1])
    assert out.endswith(b'"start":0,"end":5}]}\n')


def test_blank_lines_are_no_records_but_lines() -> None:
    records = parse(JsonlReader(), b'\n{"text":"a"}\n \t\r\n\n{"text":"b"}')
    assert [(record.text, record.line, record.offset) for record in records] == [
        ("a", 2, 1),
        ("b", 5, 19),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"{", "not JSON"),
        (b'{"text": "a"} x', "not JSON: Extra data at character 15"),
        (b'{"text": "a\tb"}', "not JSON: Invalid control character"),
        (b"[1]", "found a list; expected one object a line"),
        (b"null", "found null"),
        (b'"text"', "found a string"),
        (b'{"text": 1}', '"text" must be a string, found a number'),
        (b'{"text": null}', '"text" must be a string, found null'),
        (b'{"tokens": "a b"}', '"tokens" must be a list of strings, found a string'),
        (b'{"tokens": ["a", {}]}', "found an object at place 1 of the list"),
        (b'{"tokens": null}', '"tokens" must be a list of strings, found null'),
        (b'{"title": "a", "body": "b"}', 'no key "text" or "tokens", found "title", "body"'),
        (b"{}", 'no key "text" or "tokens", found none'),
        (b'{"text": "\xff"}', "not UTF-8: byte 0xff at byte 11 of the record, offset 24"),
        (b'{"a": ' + b"9" * 5000 + b"]}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b"\x00", "not JSON"),
        (b'\xef\xbb\xbf{"text": "a"}', "not JSON"),
    ],
)
def test_a_bad_line_says_what_was_found(line: bytes, found: str) -> None:
    before, after = b'{"text": "a"}\n', b'\n{"text": "b"}\n'
    good, bad, also_good = parse(JsonlReader(), before + line + after)
    assert (good.text, good.error, also_good.text, also_good.error) == ("a", None, "b", None)
    assert bad.error is not None
    assert found in bad.error
    assert (bad.raw, bad.line, bad.offset) == (line + b"\n", 2, len(before))
    assert bad.text is None
    assert bad.tokens is None


def test_tokens_win_over_text_unless_text_alone_is_asked_for() -> None:
    raw = b'{"text": "a", "tokens": ["b"], "body": "c"}'
    assert parse(JsonlReader(), raw)[0].tokens == ["b"]
    assert parse(JsonlReader("text", None), raw)[0].text == "a"
    assert parse(JsonlReader("body", None), raw)[0].text == "c"
    assert parse(JsonlReader(), b'{"text": "a", "tokens": null}')[0].text == "a"


def test_a_record_that_is_too_long_is_refused() -> None:
    (record,) = JsonlReader().parse(Block(b'{"text": "aaa', 7, 70, too_long=20_000_000))
    assert (record.line, record.offset, record.text) == (7, 70, None)
    assert "20,000,000 bytes" in (record.error or "")


@given(st.lists(TEXT, max_size=4))
def test_text_becomes_jsonl(rows: list[str]) -> None:
    records = parse(TextReader(), "".join(row + "\n" for row in rows).encode())
    out = JsonlWriter().render(label(records, NER))
    assert [json.loads(line)["text"] for line in out.splitlines()] == rows


@example(b"\n")
@given(st.binary(max_size=40))
def test_no_bytes_raise(data: bytes) -> None:
    records = parse(JsonlReader(), data)
    assert len(records) <= data.count(b"\n") + 1
