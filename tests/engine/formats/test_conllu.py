import pytest

from nerx.engine.formats.conll import end_sentence
from nerx.engine.formats.conllu import ConlluReader, ConlluTagger, find_tags
from nerx.engine.types import Block

from .labelled import NER, label, parse


def row(number: str, form: str, misc: str = "_") -> str:
    return "\t".join([number, form, "lemma form", *"_" * 6, misc]) + "\n"


SENTENCE = "".join(
    [
        "# newdoc\n# sent_id = 1\n#text = Vámonos al mar, New York\n",
        row("1-2", "Vámonos"),
        row("1", "Vamos", "Gloss=go"),
        row("2", "nos", "ner=S-LOC|SpaceAfter=No"),
        row("2.1", "yo", "CopyOf=1"),
        row("3", "New York").replace("\n", "\r\n"),
        "\n",
    ]
)


def test_words_are_read_and_ranges_and_empty_nodes_are_not() -> None:
    first, second = parse(ConlluReader(), (SENTENCE + row("1", "#")).encode())
    assert first.tokens == ["Vamos", "nos", "New York"]
    assert second.tokens == ["#"]
    assert ConlluReader().cut((SENTENCE + "# next\n").encode()) == len(SENTENCE.encode())


def test_the_tag_is_set_in_misc_and_every_other_byte_stays() -> None:
    (record,) = parse(ConlluReader(), SENTENCE.encode())
    out = ConlluTagger().render(label([record], NER)).decode()
    assert out == (
        SENTENCE.replace("Gloss=go", "Gloss=go|ner=B-PER")
        .replace("ner=S-LOC|SpaceAfter=No", "SpaceAfter=No|ner=I-PER")
        .replace("_\r\n", "ner=O\r\n")
    )
    assert find_tags(out.encode()) == ["B-PER", "I-PER", "O"]
    assert find_tags(SENTENCE.encode()) == [None, "S-LOC", None]


def test_a_sentence_without_words_needs_no_tag() -> None:
    (record,) = parse(ConlluReader(), row("1.1", "pro").encode())
    assert record.tokens == []
    assert ConlluTagger().render(label([record], NER)) == row("1.1", "pro").encode()


def test_a_last_line_without_an_end_gets_one() -> None:
    data = row("1", "a").rstrip("\n").encode()
    out = ConlluTagger().render(label(parse(ConlluReader(), data), NER))
    assert end_sentence(out) == row("1", "a", "ner=B-PER").encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("1\ta\tO\n", "line 1 has 3 columns; CoNLL-U has 10, parted by tabs"),
        (row("EU", "a"), "line 1 has the ID 'EU'; expected one as 1, 1-2 or 1.1"),
        (row("1", "a") + row("2", ""), "line 2 has nothing in its second column"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(data: str, reason: str) -> None:
    (record,) = ConlluReader().parse(Block(data.encode(), 1, 0))
    assert reason in (record.error or "")
