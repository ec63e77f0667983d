from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.errors import ConfigError, InputError
from nerx.engine.run.gold import read_gold


def write(folder: Path, name: str, data: str) -> str:
    path = folder / name
    path.write_bytes(data.encode())
    return str(path)


def test_conll_has_the_word_first_and_the_tag_last(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.conll",
        "-DOCSTART- -X- O O\n\n# 1\nEU NNP B-ORG\r\nleft VBD O\n\n\n\nEd O\n",
    )
    assert list(read_gold(path)) == [(["EU", "left"], ["B-ORG", "O"]), (["Ed"], ["O"])]


def test_conll_has_its_word_in_any_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.conll", "1\tEU\tB-ORG\n2\tleft\tO\n")
    assert list(read_gold(path, token_column=2)) == [(["EU", "left"], ["B-ORG", "O"])]
    with pytest.raises(ConfigError, match="--token-column 2"):
        next(read_gold(path))


def test_conll_u_has_the_tag_in_misc(tmp_path: Path) -> None:
    rows = [("1-2", "Del", "ner=X"), ("1", "De", "ner=O"), ("2", "el", "A=b|ner=B-LOC")]
    data = "".join("\t".join([number, form, *"_" * 7, misc]) + "\n" for number, form, misc in rows)
    path = write(tmp_path, "a.conllu", data)
    assert list(read_gold(path)) == [(["De", "el"], ["O", "B-LOC"])]
    path = write(tmp_path, "b.conllu", data.replace("ner=O", "_"))
    with pytest.raises(InputError, match=r"b\.conllu:1: the word 'De' has no tag"):
        next(read_gold(path))


def test_the_format_is_told_by_the_content(tmp_path: Path) -> None:
    data = '{"tokens": ["EU", "left"], "tags": ["B-ORG", "O"]}\n'
    assert list(read_gold(write(tmp_path, "gold", data))) == [(["EU", "left"], ["B-ORG", "O"])]


def test_jsonl_has_tokens_and_tags(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.jsonl",
        '{"tokens": ["EU", "left"], "text": "x", "tags": ["B-ORG", "O"]}\n'
        '{"tokens": [], "tags": []}\n',
    )
    assert list(read_gold(path)) == [(["EU", "left"], ["B-ORG", "O"])]


def test_segmented_text_has_a_tag_a_character(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "我们 在  北京大学\u3000。\n\n")
    assert list(read_gold(path)) == [(list("我们在北京大学。"), list("BIBBIIIB"))]


@given(words=st.lists(st.text("我a\u0301🚀", min_size=1, max_size=4), min_size=1, max_size=6))
def test_segmented_words_can_be_put_together_again(
    words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("gold"), "a.txt", " ".join(words) + "\n")
    ((characters, tags),) = read_gold(path)
    joined = "".join(
        (" " if tag == "B" else "") + character
        for character, tag in zip(characters, tags, strict=True)
    )
    assert joined.split() == words


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.conll", "a O\n\nb\n", r"a\.conll:3: line 3 has no tag"),
        ("a.conll", "a\tO\n\nb\tO\nc\t\n", r"a\.conll:3: line 4 has no tag"),
        ("a.conll", "a O\nb X O\n", r"a\.conll:1: line 2 has 3 columns"),
        ("a.jsonl", '{"tokens": ["a"]}', r'a\.jsonl:1: "tags" must be a list of strings'),
        ("a.jsonl", '\n{"tokens": ["a"], "tags": []}', r'a\.jsonl:2: 1 "tokens" but 0 "tags"'),
        ("a.jsonl", '{"text": "a"}', r'a\.jsonl:1: no key "tokens", found "text"'),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_gold(write(tmp_path, name, data)))


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format 'xml'"):
        next(read_gold(write(tmp_path, "a.xml", ""), "xml"))
