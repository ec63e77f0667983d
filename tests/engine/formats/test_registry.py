import pytest

from nerx.engine.errors import ConfigError
from nerx.engine.formats.annotation_tools import AnnotationWriter
from nerx.engine.formats.conll import ConllReader, ConllTagger, ConllWriter
from nerx.engine.formats.conllu import ConlluTagger
from nerx.engine.formats.jsonl import JsonlReader, JsonlSplicer, JsonlWriter
from nerx.engine.formats.registry import LINES, TARGETS, find_format, open_format, open_writer
from nerx.engine.formats.text import TextReader
from nerx.engine.types import Block

from .labelled import NER, SEGMENTATION, label


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.jsonl", "jsonl"),
        ("b.ndjson.gz", "jsonl"),
        ("B.JSONL.ZST", "jsonl"),
        ("b.json", "jsonl"),
        ("b.conll.zst", "conll"),
        ("b.iob", "conll"),
        ("b.bio", "conll"),
        ("b.conllu.gz", "conllu"),
        ("b.tsv", None),
        ("b.txt.gz", None),
        ("jsonl", None),
        ("-", None),
    ],
)
def test_the_suffix_tells_the_format(path: str, kind: str | None) -> None:
    assert find_format(path) == kind


def test_the_named_format_wins_over_the_suffix() -> None:
    assert isinstance(open_format("conll", "a.conllu"), ConllReader)
    assert isinstance(open_format("text", "a.jsonl"), TextReader)
    assert isinstance(open_format("jsonl", "-"), JsonlReader)


def test_one_key_alone_is_the_only_one_that_is_read() -> None:
    block = Block(b'{"text": "a", "tokens": ["b"]}', 1, 0)
    assert open_format("jsonl", "a").parse(block)[0].tokens == ["b"]
    assert open_format("jsonl", "a", text_key="text").parse(block)[0].text == "a"
    (record,) = open_format("jsonl", "a", tokens_key="words").parse(block)
    assert 'no key "words", found "text", "tokens"' in (record.error or "")


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown format 'xml'.*jsonl, conll, conllu, text"):
        open_format("xml", "a.xml")
    with pytest.raises(ConfigError, match=r"a\.txt is read as text, which has no keys"):
        open_format("text", "a.txt", text_key="body")
    with pytest.raises(ConfigError, match=r"--token-column is of conll, a\.txt is read as text"):
        open_format("text", "a.txt", token_column=2)


def test_writers() -> None:
    assert isinstance(open_writer(None, "jsonl", segmentation=False), JsonlSplicer)
    assert isinstance(open_writer(None, "text", segmentation=False), JsonlWriter)
    assert isinstance(open_writer("jsonl", "conll", segmentation=False), JsonlWriter)
    assert isinstance(open_writer(None, "conll", segmentation=False), ConllTagger)
    assert isinstance(open_writer("conll", "text", segmentation=False), ConllWriter)
    assert isinstance(open_writer("conll", "conllu", segmentation=False), ConllWriter)
    assert isinstance(open_writer(None, "conllu", segmentation=False), ConlluTagger)
    assert isinstance(open_writer("prodigy", "text", segmentation=False), AnnotationWriter)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a word segmentation model"):
        open_writer("words", "text", segmentation=False)
    for target in ("prodigy", "doccano", "redacted"):
        with pytest.raises(ConfigError, match=f"--to {target} holds entities"):
            open_writer(target, "text", segmentation=True)
    with pytest.raises(ConfigError, match="unknown output 'xml'"):
        open_writer("xml", "text", segmentation=False)


@pytest.mark.parametrize("scheme", [NER, SEGMENTATION], ids=["ner", "segmentation"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", LINES)
def test_every_combination_writes_a_piece_a_record(kind: str, target: str, scheme: object) -> None:
    data = {
        "jsonl": b'{"text": "a b c"}\n{"tokens": ["a", "b"]}\n',
        "conll": b"a O\nb O\n\nc O\n\n",
        "conllu": b"1-2\tab"
        + 8 * b"\t_"
        + b"\n1\ta"
        + 8 * b"\t_"
        + b"\n2\tb"
        + 8 * b"\t_"
        + b"\n\n",
        "text": b"a b c\nd e\n",
    }[kind]
    reader = open_format(kind, "-")
    records = reader.parse(Block(data, 1, 0))
    try:
        writer = open_writer(target, kind, segmentation=scheme.segmentation)
    except ConfigError:
        assert (target == "words") is (scheme is NER)
        return
    both = writer.render(label(records, scheme))
    assert both == b"".join(writer.render(label([record], scheme)) for record in records)
    assert writer.render(label([], scheme)) == b""
