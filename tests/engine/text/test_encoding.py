from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from nerx.engine.text.encoding import Encoder
from nerx.engine.types import EncodedBlock, Record

from ..tokenizers_for_tests import KINDS, unigram, wordpiece

HOSTILE = st.text(alphabet=st.characters(codec=None), max_size=20)
LETTERS = st.text(alphabet="parislnbe我.,' Ω\u0301\x00\ud800", max_size=30)


def encoder(tokenizer: Tokenizer, unit: str = "words", max_length: int = 512) -> Encoder:
    return Encoder(tokenizer, unit=unit, max_length=max_length, overlap=0, pad_id=0)


def text_records(*texts: str) -> list[Record]:
    return [Record(b"", 1, 0, text=text) for text in texts]


def token_records(*documents: list[str]) -> list[Record]:
    return [Record(b"", 1, 0, tokens=tokens) for tokens in documents]


def words(block: EncodedBlock, texts: list[str]) -> list[list[str]]:
    return [
        [
            text[a:b]
            for a, b in zip(block.word_start[begin:end], block.word_end[begin:end], strict=True)
        ]
        for text, begin, end in zip(texts, block.doc_words, block.doc_words[1:], strict=False)
    ]


@pytest.mark.parametrize("kind", KINDS)
@given(tokens=st.lists(LETTERS.filter(bool), min_size=1, max_size=8))
def test_subwords_and_words_are_those_of_the_tokenizer(kind: str, tokens: list[str]) -> None:
    tokenizer = KINDS[kind]()
    block = encoder(tokenizer).encode(token_records(tokens))
    clean = [token.replace("\ud800", "\ufffd") for token in tokens]
    whole = tokenizer.encode(clean, is_pretokenized=True, add_special_tokens=False)
    for number in range(len(tokens)):
        begin, end = block.word_subwords[number : number + 2]
        of_word = [
            subword
            for subword, word in zip(whole.ids, whole.word_ids, strict=True)
            if word == number
        ]
        # a word that the tokenizer drops must not move the labels of its neighbours
        expected = of_word or [tokenizer.token_to_id("[UNK]") or tokenizer.token_to_id("<unk>")]
        assert block.subword_ids[begin:end].tolist() == expected


def test_a_special_token_is_one_as_a_given_word_and_not_in_raw_text() -> None:
    tokenizer = wordpiece()
    tokenizer.add_special_tokens(["[SEP]"])
    separator = tokenizer.token_to_id("[SEP]")
    given = encoder(tokenizer).encode(token_records(["par", "[SEP]"]))
    assert given.subword_ids.tolist() == [tokenizer.token_to_id("par"), separator]
    raw = encoder(tokenizer).encode(text_records("par [SEP]"))
    assert separator not in raw.subword_ids
    assert words(raw, ["par [SEP]"]) == [["par", "[", "SEP", "]"]]


@given(texts=st.lists(HOSTILE, max_size=5))
def test_offsets_slice_the_text_and_leave_out_white_space_only(texts: list[str]) -> None:
    for unit in ("words", "characters"):
        block = encoder(wordpiece(), unit).encode(text_records(*texts))
        for text, found in zip(texts, words(block, texts), strict=True):
            assert "".join(found) == "".join(c for c in text if not c.isspace())


@given(texts=st.lists(st.text("aS1.,'-&中 \t\x1c\x85\u3000\ud800", max_size=30), max_size=4))
def test_raw_text_has_the_subwords_of_its_words(texts: list[str]) -> None:
    block = encoder(wordpiece()).encode(text_records(*texts))
    again = encoder(wordpiece()).encode(token_records(*words(block, texts)))
    assert block.subword_ids.tolist() == again.subword_ids.tolist()
    assert block.word_subwords.tolist() == again.word_subwords.tolist()


def test_characters_are_words_of_one_code_point() -> None:
    block = encoder(wordpiece(), "characters").encode(text_records("我 ab", "", "\U0001f600"))
    assert words(block, ["我 ab", "", "\U0001f600"]) == [["我", "a", "b"], [], ["\U0001f600"]]
    assert block.doc_words.tolist() == [0, 3, 3, 4]


def test_texts_and_given_tokens_may_be_mixed() -> None:
    mixed = [*token_records(["paris", "x y"]), *text_records("berlin paris"), *token_records([])]
    block = encoder(wordpiece()).encode(mixed)
    assert block.doc_words.tolist() == [0, 2, 4, 4]
    assert block.word_start.tolist() == [0, 1, 0, 7]
    alone = encoder(wordpiece()).encode(text_records("paris")).subword_ids
    begin = block.word_subwords
    np.testing.assert_array_equal(block.subword_ids[begin[0] : begin[1]], alone)
    np.testing.assert_array_equal(block.subword_ids[begin[3] : begin[4]], alone)


def test_a_word_longer_than_a_window_is_cut_to_it() -> None:
    block = encoder(wordpiece(), max_length=10).encode(text_records("a " + "par" + "s" * 50 + " b"))
    assert np.diff(block.word_subwords).tolist() == [1, 8, 1]


def test_windows_share_half_of_themselves_at_most() -> None:
    text = text_records("a " * 20)
    most = Encoder(wordpiece(), unit="words", max_length=10, overlap=99, pad_id=0).encode(text)
    assert most.windows[:3, :2].tolist() == [[0, 8], [4, 12], [8, 16]]


@pytest.mark.parametrize("name", ["minilm-l6-en", "e5-small-en", "e5-small-zh-char"])
def test_real_tokenizers_agree_on_real_text(shared: Path, name: str) -> None:
    tokenizer = Tokenizer.from_file(str(shared / "encoders" / name / "tokenizer.json"))
    file = "cmrc_zh.txt" if "zh" in name else "gum_en.txt"
    texts = (shared / "data" / "text" / file).read_text().split("\n")[:300]
    unit = "characters" if "zh" in name else "words"
    block = encoder(tokenizer, unit).encode(text_records(*texts))
    for doc, found in enumerate(words(block, texts)):
        whole = tokenizer.encode(found, is_pretokenized=True, add_special_tokens=False)
        begin, end = block.word_subwords[block.doc_words[doc : doc + 2]]
        if len(set(whole.word_ids)) == len(found):
            assert block.subword_ids[begin:end].tolist() == whole.ids


def test_capitals_alone_are_read_in_title_case_and_offsets_are_the_texts() -> None:
    reader = Encoder(unigram(), unit="words", max_length=99, overlap=0, pad_id=0, title_case=True)
    heads = ["PARIS BEATS BERLIN 2-1 IN OSLO", "MEN\u2019S CUP: I. ISLIN, U.S. (2)"]
    others = [
        "NASA IN PARIS",  # three words may be an acronym and its place
        "PARIS BEATS BERLIN IN OsLO",
        "IN D\u0130YARBAKIR MR B IS IN",  # in small letters this one is two
        "1 2 3 4 5",
    ]
    for text in [*heads, *others]:
        read = text.title() if text in heads else text
        found = reader.encode(text_records(text))
        expected = encoder(unigram()).encode(text_records(read))
        assert found.subword_ids.tolist() == expected.subword_ids.tolist()
        assert words(found, [text])[0] == words(expected, [text])[0]
        given = reader.encode(token_records(text.split()))
        expected = encoder(unigram()).encode(token_records(read.split()))
        assert given.subword_ids.tolist() == expected.subword_ids.tolist() or "\u0130" in text
    assert (
        encoder(unigram()).encode(text_records(heads[0])).subword_ids.tolist()
        != reader.encode(text_records(heads[0])).subword_ids.tolist()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_are_cut_behind_the_signs_that_end_sentences(kind: str) -> None:
    tokens = ["a", "b", ".", "c", "d", "S.", "e", "!", "i", "j", "k", "l", "?", "m", "n", "o"]
    block = encoder(KINDS[kind](), max_length=2 + 26).encode(token_records(tokens * 3))
    ends = {(tokens * 3)[end - 1] for end in block.windows[:-1, 1]}
    assert ends <= {".", "!", "?"}
    assert (block.windows[:, :2] == block.windows[:, 2:]).all()  # no word is read twice
