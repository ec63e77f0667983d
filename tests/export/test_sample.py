"""Texts for the gate are read as words, with gold tags where there are any."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from nerx.engine.errors import InputError
from nerx.export.sample import Sample, builtin_sample, read_sample


def read(folder: Path, name: str, text: str, unit: str = "words") -> Sample:
    (folder / name).write_text(text, encoding="utf-8")
    return read_sample(str(folder / name), unit)


def test_gold_files(tmp_path: Path) -> None:
    for name, text in (
        ("a.conll", "Ada NNP I-PER\nran VBD O\n\nParis NNP I-LOC\n"),
        ("a.jsonl", '{"tokens": ["Ada", "ran"], "tags": ["I-PER", "O"]}\n'
         '{"tokens": ["Paris"], "tags": ["I-LOC"]}\n'),
    ):  # fmt: skip
        sample = read(tmp_path, name, text)
        assert sample.words == [["Ada", "ran"], ["Paris"]]
        assert sample.gold(["O", "I-LOC", "I-PER"]).tolist() == [2, 0, 1]
    segmented = read(tmp_path, "a.txt", "我 爱 北京\n天安门\n", unit="characters")
    assert segmented.words == [list("我爱北京"), list("天安门")]
    assert segmented.gold(["B", "I"]).tolist() == [0, 0, 0, 1, 0, 1, 1]


def test_texts_without_tags(tmp_path: Path) -> None:
    prose = read(tmp_path, "a.txt", "Ada can't stay, Alan.\n\nParis\n")
    assert prose.words == [["Ada", "can't", "stay", ",", "Alan", "."], ["Paris"]]
    assert prose.tags is None
    assert read(tmp_path, "a.jsonl", '{"text": "Ada ran"}\n').words == [["Ada", "ran"]]
    characters = read(tmp_path, "b.txt", "我爱北京\n天 安门\n上海\n", unit="characters")
    assert (characters.words[1], characters.tags) == (["天", "安", "门"], None)


def test_text_that_comes_with_nerx() -> None:
    english = Tokenizer(models.WordLevel({"the": 0, "war": 1, "人": 2}))
    chinese = Tokenizer(models.WordLevel({"the": 0, "人": 1, "和": 2}))
    calibration, verify = builtin_sample(english, "words").halves()
    assert len(calibration.words) == len(verify.words) == 200
    assert sum(map(len, verify.words)) > 2000
    assert not {tuple(row) for row in verify.words[9:]} & {tuple(row) for row in calibration.words}
    assert not any("一" <= word[0] <= "鿿" for row in verify.words for word in row)
    for sample in (builtin_sample(english, "characters"), builtin_sample(chinese, "words")):
        assert {len(word) for word in sample.words[0]} == {1}
        assert sum("一" <= row[0] <= "鿿" for row in sample.words) > 200


def test_a_head_is_spread_over_the_whole() -> None:
    sample = Sample([[str(i)] for i in range(100)], [["O"]] * 100, "x")
    head = sample.head(30)
    assert len(head.words) <= 30
    assert len(head.tags or ()) == len(head.words)
    assert int(head.words[-1][0]) > 90
    assert sample.head(200) == sample


def test_what_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no text"):
        read(tmp_path, "a.txt", "\n \n")
    with pytest.raises(InputError, match=r"a\.jsonl:2: "):
        read(tmp_path, "a.jsonl", '{"text": "Ada"}\nnonsense\n')
    with pytest.raises(InputError):
        read_sample(str(tmp_path / "nowhere.txt"), "words")
    with pytest.raises(InputError, match="does not know: B-TOWN"):
        read(tmp_path, "a.conll", "Paris B-TOWN\n").gold(["O"])
