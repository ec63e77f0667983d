import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.conll import ConllReader, ConllTagger, ConllWriter
from nerx.engine.formats.jsonl import JsonlReader
from nerx.engine.types import Block

from .hostile import ANY_TEXT
from .labelled import NER, SEGMENTATION, label, parse

LINES = st.sampled_from(
    [
        b"a X O",
        b"b Y B-PER",
        b"# Z O",
        b"#b Y O",
        b"\tO",
        b"a\tX\tO",
        b"c\t\tO",
        b"# a comment of many words",
        b"# two",
        b"#",
        b"-DOCSTART- -X- -X-",
        b"-DOCSTART-",
        b"",
        b"",
        b"",
        b" ",
        b"\t\t",
        b"\x0b",
        b"\x0b Y O",
        "é\u2028\x85\ufeff Y O".encode(),
        b"\x00 Y O",
        b"\xff Y O",
    ]
)
FILES = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=14).flatmap(
    lambda rows: st.sampled_from(
        [b"".join(a + b for a, b in rows), b"".join(a + b for a, b in rows).rstrip(b"\r\n")]
    )
)


@given(FILES)
def test_records_joined_are_the_input(data: bytes) -> None:
    records = parse(ConllReader(), data)
    assert b"".join(record.raw for record in records) == data
    for record in records:
        assert data[record.offset :].startswith(record.raw)
        assert record.line == 1 + data.count(b"\n", 0, record.offset)


@given(FILES, st.integers(0, 200))
def test_any_cut_gives_the_same_records(data: bytes, size: int) -> None:
    whole = parse(ConllReader(), data)
    cut = ConllReader().cut(data[:size])
    assert cut <= size
    head = parse(ConllReader(), data[:cut])
    line = 1 + data.count(b"\n", 0, cut)
    assert head + ConllReader().parse(Block(data[cut:], line, cut)) == whole


@given(FILES)
def test_a_cut_is_the_longest_there_is(data: bytes) -> None:
    records = parse(ConllReader(), data)
    ended = [record for record in records if record.raw.endswith(b"\n") and record.tokens != []]
    ended = [record for record in ended if not record.raw.splitlines()[-1].strip()]
    last = ended[-1].offset + len(ended[-1].raw) if ended else 0
    assert ConllReader().cut(data) == last


@given(FILES)
def test_the_output_is_the_input_with_a_column_more(data: bytes) -> None:
    records = [record for record in parse(ConllReader(), data) if record.error is None]
    block = label(records, NER)
    out = ConllTagger().render(block)
    joined = b"".join(record.raw for record in records)
    lines, tagged = joined.split(b"\n"), out.split(b"\n")
    if joined and not joined.endswith(b"\n"):
        lines.append(b"")
    assert len(lines) == len(tagged)
    rows = 0
    for line, new in zip(lines, tagged, strict=True):
        if new != line:
            rows += 1
            end = b"\r" if line.endswith(b"\r") else b""
            separator = b"\t" if b"\t" in line else b" "
            head, tag = new.removesuffix(end).rsplit(separator, 1)
            assert head == line.removesuffix(end)
            assert tag.decode() in NER.labels
    assert rows == sum(len(record.tokens or []) for record in records)


CONLL2003 = b"""-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

Peter NNP I-NP I-PER

"""


def test_docstart_and_blank_lines_belong_to_the_next_sentence() -> None:
    records = parse(ConllReader(), CONLL2003)
    assert [record.tokens for record in records] == [["EU", "rejects"], ["Peter"]]
    assert [record.line for record in records] == [1, 6]
    out = ConllTagger().render(label(records, NER))
    assert out == CONLL2003.replace(b"I-ORG", b"I-ORG B-PER").replace(
        b"VP O", b"VP O I-PER"
    ).replace(b"NP I-PER", b"NP I-PER B-PER")


def test_lines_after_the_last_sentence_are_a_record_without_tokens() -> None:
    records = parse(ConllReader(), CONLL2003 + b"\n# end\n")
    assert [record.tokens for record in records] == [["EU", "rejects"], ["Peter"], []]
    assert ConllTagger().render(label(records, NER)).endswith(b"\n\n\n# end\n")


def test_a_docstart_line_ends_a_sentence() -> None:
    records = parse(ConllReader(), b"a O\n-DOCSTART- O\n\nb O\n")
    assert [record.tokens for record in records] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (b"# text = a b\n1 a O\n", ["1"]),
        (b"# O\n1 O\n", ["#", "1"]),
        (b"1 O\n# O\nb O\n", ["1", "#", "b"]),
        (b"1\tO\n#\tO\n", ["1", "#"]),
        (b"# 1\n1\tO\n", ["1"]),
        (b"a\n#\n#tag\n# two words\n", ["a", "#", "#tag"]),
        (b"a O\n#tag\n#tag O\n", ["a", "#tag"]),
        (b"# one\n\n# two\n\na O\n", ["a"]),
        (b"# newdoc\n# newpar\na O\n", ["a"]),
        (b"#text = a b\na\tO\n", ["a"]),
    ],
)
def test_a_number_sign_is_a_token_where_it_has_the_columns_of_a_row(
    data: bytes, tokens: list[str]
) -> None:
    (record,) = parse(ConllReader(), data)
    assert record.tokens == tokens


def test_comments_come_out_as_they_went_in() -> None:
    data = b"# newdoc\n# text = a b\na O\nb O\n\n"
    out = ConllTagger().render(label(parse(ConllReader(), data), NER))
    assert out == data.replace(b"a O\n", b"a O B-PER\n").replace(b"b O\n", b"b O I-PER\n")


def test_the_token_may_stand_in_any_column() -> None:
    data = b"1\tEU\tO\n2\tleft\tO\n\n1\t\tO\n\nEU\n"
    good, empty, short = parse(ConllReader(1), data)
    assert good.tokens == ["EU", "left"]
    assert ConllTagger().render(label([good], NER)).startswith(b"1\tEU\tO\tB-PER\n")
    assert empty.error == "line 4 has nothing in column 2; expected a token"
    assert short.error == "line 6 has 1 columns; expected a token in column 2"


def test_words_may_hold_spaces_between_tabs() -> None:
    (record,) = parse(ConllReader(), "New York\tO\nU\u2028S\u00a0A\tO\n".encode())
    assert record.tokens == ["New York", "U\u2028S\u00a0A"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a X O\nb O\n\n", "line 4 has 2 columns, the sentence's first row (line 3) has 3"),
        (b"a\tO\n\tO\n\n", "line 4 has nothing in its first column"),
        (b"a O\n\xffb O\n\n", "not UTF-8: byte 0xff at byte 5 of the record, offset 9"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_its_neighbours_are_kept(
    data: bytes, reason: str
) -> None:
    first, bad, last = parse(ConllReader(), b"x O\n\n" + data + b"y O\n")
    assert (first.tokens, last.tokens) == (["x"], ["y"])
    assert reason in (bad.error or "")
    assert (bad.raw, bad.line, bad.tokens) == (data, 3, None)


def test_a_sentence_that_is_too_long_is_refused() -> None:
    (record,) = ConllReader().parse(Block(b"a O\n", 3, 9, too_long=1 << 25))
    assert "33,554,432 bytes" in (record.error or "")


@given(st.lists(st.lists(ANY_TEXT, max_size=5), max_size=4))
def test_tokens_of_any_kind_become_rows_of_two_columns(sentences: list[list[str]]) -> None:
    import json

    data = b"".join(json.dumps({"tokens": tokens}).encode() + b"\n" for tokens in sentences)
    out = ConllWriter().render(label(parse(JsonlReader(), data), NER)).decode()
    documents = out.split("\n\n") if "\n\n" in out else [out]
    assert out.count("\n") == sum(len(tokens) + 1 for tokens in sentences)
    for row in out.split("\n"):
        assert len(row.split()) in (0, 2)
    assert len(documents) <= len(sentences) + 1


def test_text_becomes_rows_of_word_and_tag() -> None:
    records = parse(JsonlReader(), b'{"text": "Angela Merkel left"}\n{"text": " "}\n{"text": "b"}')
    assert ConllWriter().render(label(records, NER)) == (
        b"Angela B-PER\nMerkel I-PER\nleft O\n\n\nb B-PER\n\n"
    )
    records = parse(JsonlReader(), '{"text": "我们 在"}'.encode())
    assert ConllWriter().render(label(records, SEGMENTATION)).decode() == "我 B\n们 I\n在 B\n\n"
