import json

from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.conll import ConllReader
from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.formats.registry import open_writer
from nerx.engine.formats.text import TextReader
from nerx.engine.types import Record

from .hostile import ANY_TEXT
from .labelled import NER, label, parse


def write(tool: str, input_format: str, records: list[Record]) -> bytes:
    return open_writer(tool, input_format, segmentation=False).render(label(records, NER))


@given(ANY_TEXT)
def test_prodigy_tokens_and_spans_slice_the_text(text: str) -> None:
    raw = json.dumps({"text": text, "meta": {"n": 1}}).encode()
    text = json.loads(raw)["text"]
    out = json.loads(write("prodigy", "jsonl", parse(JsonlReader(), raw)))
    assert (out["text"], out["meta"]) == (text, {"n": 1})
    for token in out["tokens"]:
        assert text[token["start"] : token["end"]] == token["text"]
        assert out["tokens"][token["id"]] == token
    for span in out["spans"]:
        assert span["start"] == out["tokens"][span["token_start"]]["start"]
        assert span["end"] == out["tokens"][span["token_end"]]["end"]
    assert bool(out["spans"]) == bool(out["tokens"])


@given(st.lists(ANY_TEXT, max_size=6))
def test_given_tokens_become_a_text(tokens: list[str]) -> None:
    raw = json.dumps({"tokens": tokens, "id": 7}).encode()
    tokens = json.loads(raw)["tokens"]
    out = json.loads(write("prodigy", "jsonl", parse(JsonlReader(), raw)))
    assert out["text"] == " ".join(tokens)
    assert out["id"] == 7
    assert [token["text"] for token in out["tokens"]] == tokens
    for token in out["tokens"]:
        assert out["text"][token["start"] : token["end"]] == token["text"]


def test_spans_count_words_of_their_own_document() -> None:
    records = parse(TextReader(), b"\na b\nAngela Merkel met Ed\n")
    blank, short, long = write("prodigy", "text", records).splitlines()
    assert json.loads(blank) == {"text": "", "tokens": [], "spans": []}
    assert [span["label"] for span in json.loads(short)["spans"]] == ["PER"]
    assert json.loads(long)["spans"] == [
        {"start": 0, "end": 13, "token_start": 0, "token_end": 1, "label": "PER"},
        {"start": 18, "end": 20, "token_start": 3, "token_end": 3, "label": "LOC"},
    ]


def test_doccano_has_offsets_and_types() -> None:
    records = parse(JsonlReader(), b'{"id": 1, "text": "Angela Merkel met Ed", "label": []}')
    assert json.loads(write("doccano", "jsonl", records)) == {
        "id": 1,
        "text": "Angela Merkel met Ed",
        "label": [[0, 13, "PER"], [18, 20, "LOC"]],
    }


def test_a_text_that_is_there_stays_as_it_is_spelled() -> None:
    raw = b'{"text": "\\u0045d", "n": 1e999}'
    out = write("prodigy", "jsonl", parse(JsonlReader(), raw))
    assert out.startswith(raw[:-1] + b',"tokens":')


def test_conll_sentences_are_texts_of_their_words() -> None:
    records = parse(ConllReader(), b"a O\nb O\n\nc O\n\n")
    out = write("doccano", "conll", records).splitlines()
    assert [json.loads(line) for line in out] == [
        {"text": "a b", "label": [[0, 3, "PER"]]},
        {"text": "c", "label": [[0, 1, "PER"]]},
    ]
