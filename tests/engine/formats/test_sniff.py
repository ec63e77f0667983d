import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.errors import ConfigError
from nerx.engine.formats.sniff import is_short, refuse_numbers, sniff

NER = b"EU NNP B-ORG\nrejects VBZ O\n. . O\n\nPeter NNP B-PER\n\n"
TABS = b"EU\tNNP\nrejects\tVBZ\n\nPeter\tNNP\n\n"
WORDS = "我\tB\n们\tI\n在\tB\n".encode()
UD = b"# sent_id = 1\n1-2\tim\t_\t_\t_\t_\t_\t_\t_\t_\n1\tin\t_\t_\t_\t_\t_\t_\t_\t_\n"
IDS = b"7\tA first sentence.\n8\tAnd one more.\n"

NAMES = ["-", "part-00000", "a.txt", "a.log.gz", "a.tsv"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"text": "a"}\n', "jsonl"),
        (b'\n  { "text": "a', "jsonl"),
        (b"{}\n", "jsonl"),
        (NER, "conll"),
        (NER.replace(b" ", b"\t").replace(b"\n", b"\r\n"), "conll"),
        (b"# id 1\n" + NER, "conll"),
        (b"-DOCSTART- -X- O\n\nEU X B-ORG\n", "conll"),
        (WORDS, "conll"),
        (UD, "conllu"),
        (b"PAR1\x15", "parquet"),
        (b"ARROW1\0\0", "arrow"),
        (b"", "text"),
    ],
)
def test_what_is_clear_is_told_whatever_the_name(name: str, head: bytes, kind: str) -> None:
    assert sniff(name, head, piped=name == "-") == kind


@pytest.mark.parametrize(
    "head",
    [
        b"A line.\nAnother one.\n",
        b"{name} is what a template has\n",
        b"[1] a note\n",
        b"# A heading\n\nSome text\n",
        b"CHAPTER I\n\nCall me Ishmael.\n",
        b"Part I\nPart I\n",
        b"Die S-Bahn\nDie U-Bahn\n",
        b"one\n\ntwo\n",
        b"a\tb\tc\na b\n",
    ],
)
def test_what_looks_like_text_is_text(head: bytes) -> None:
    for name in ("-", "part-00000", "a.txt"):
        assert sniff(name, head, piped=name == "-") == "text"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.tsv", IDS),
        ("a.tsv.zst", b"1\tA\n\n2\tsome words\n"),
        ("a.tsv", b"a\tb\nc\n"),
        ("a.csv", b"id,text\n1,some words\n"),
        ("part-00000", IDS),
        ("a.txt", b'[{"text": "a"}]'),
    ],
)
def test_what_is_in_doubt_is_an_error_that_names_the_option(name: str, head: bytes) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(name)}.*--format text"):
        sniff(name, head, piped=False)


def test_columns_without_tags_are_conll_by_blank_lines_where_the_name_allows() -> None:
    assert sniff("a.tsv", TABS, piped=False) == "conll"
    assert sniff("part-00000", TABS, piped=False) == "conll"
    assert sniff("a.txt", TABS, piped=False) == "text"
    assert sniff("a.txt", IDS, piped=False) == "text"
    assert sniff("-", IDS, piped=True) == "text"


def test_conll_whose_first_column_counts_is_refused() -> None:
    for numbered in (
        b"1\tEU\tO\n2\tleft\tO\n\n1\tEd\tO\n\n",
        b"1 EU\n2 left\n",
        UD + b"2\tan" + b"\t_" * 8 + b"\n\n",
    ):
        with pytest.raises(ConfigError, match=r"--token-column 2.*--format conllu"):
            refuse_numbers("a.conll", numbered)
    refuse_numbers("a.conll", b"")
    refuse_numbers("a.conll", NER + b"1 CD O\n2 CD O\n")
    refuse_numbers("a.conll", b"1\n2\n\n")
    refuse_numbers("a.conll", b"1 O\n\n1 O\n\n")


@pytest.mark.parametrize("data", [NER, WORDS + b"\n", UD, IDS, b'\n{"a"\n', b"Part I\nand so on\n"])
def test_a_pipe_tells_the_same_however_its_bytes_come(data: bytes) -> None:
    kinds = set()
    for step in (1, 3, 10, len(data)):
        head = b""
        for first in range(0, len(data), step):
            if not is_short(head):
                break
            head += data[first : first + step]
        kinds.add(sniff("-", head, piped=True))
    assert len(kinds) == 1


def test_who_types_a_line_is_answered_at_once() -> None:
    assert not is_short(b"Angela Merkel visited Paris.\n")
    assert not is_short(b"2025-01-01\tINFO\tAngela Merkel visited Paris.\n")
    assert is_short(b"Angela Merkel")
    assert is_short(NER[:13])


@given(st.lists(st.sampled_from([b"# ", b" O\n", b" B-x", b"\n", b" ", b"\t", b"a"]), max_size=400))
def test_bytes_of_any_kind_are_told_at_once(parts: list[bytes]) -> None:
    is_short(b"".join(parts))
    with suppress(ConfigError):
        sniff("a.tsv", b"".join(parts), piped=False)
