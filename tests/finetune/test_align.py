from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.finetune.align import IGNORED, encode, window_starts

from ..engine.tokenizers_for_tests import KINDS

transformers = pytest.importorskip("transformers")

SPECIALS = {
    "wordpiece": {"pad_token": "[PAD]", "unk_token": "[UNK]"},
    "unigram": {"pad_token": "<pad>", "unk_token": "<unk>"},
}
WORDS = st.text("parisbeln.,X1我爱é\u0300", min_size=1, max_size=6)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=20), min_size=1, max_size=4)


def tokenizer_of(kind):
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=KINDS[kind](), **SPECIALS.get(kind, SPECIALS["unigram"])
    )


def labelled(sentences):
    """Labels that tell every word of a sentence from its neighbours."""
    return [[word % 7 for word in range(len(sentence))] for sentence in sentences]


def labels_by_word_ids(tokenizer, words, labels):
    """What `tokenizers` itself says: the label where a word id comes first, else none."""
    encoding = tokenizer(words, is_split_into_words=True)
    before, aligned = None, []
    for word in encoding.word_ids():
        aligned.append(IGNORED if word is None or word == before else labels[word])
        before = word
    return encoding["input_ids"], aligned


@pytest.mark.parametrize("kind", KINDS)
@given(sentences=SENTENCES)
def test_rows_are_those_of_the_tokenizers_own_word_ids(kind, sentences):
    tokenizer = tokenizer_of(kind)
    labels = labelled(sentences)
    rows, sentence_of_row = encode(sentences, labels, tokenizer, 10_000)
    assert sentence_of_row == list(range(len(sentences)))
    for row, words, expected in zip(rows, sentences, labels, strict=True):
        ids, aligned = labels_by_word_ids(tokenizer, words, expected)
        if sum(label != IGNORED for label in aligned) == len(words):
            assert (row["input_ids"], row["labels"]) == (ids, aligned)
        assert row["attention_mask"] == [1] * len(row["input_ids"])


@pytest.mark.parametrize("kind", KINDS)
@given(sentences=SENTENCES, room=st.integers(1, 12))
def test_windows_lose_no_word_and_fit(kind, sentences, room):
    tokenizer = tokenizer_of(kind)
    labels = labelled(sentences)
    rows, sentence_of_row = encode(sentences, labels, tokenizer, room + 2)
    assert max(len(row["input_ids"]) for row in rows) <= room + 2
    for number, expected in enumerate(labels):
        mine = [row for row, of in zip(rows, sentence_of_row, strict=True) if of == number]
        assert [x for row in mine for x in row["labels"] if x != IGNORED] == expected


def test_a_word_without_subwords_is_one_unknown_and_shifts_nobody():
    tokenizer = tokenizer_of("wordpiece")
    (row,), _ = encode([["par", "\u200b", "ber"]], [[1, 2, 3]], tokenizer, 20)
    assert row["labels"] == [IGNORED, 1, 2, 3, IGNORED]
    assert row["input_ids"][2] == tokenizer.unk_token_id


@given(lengths=st.lists(st.integers(1, 5), min_size=1), room=st.integers(5, 12))
def test_a_window_ends_only_where_the_next_word_would_not_fit(lengths, room):
    starts = window_starts(lengths, room)
    assert starts[0] == 0
    for start, end in pairwise(starts):
        assert sum(lengths[start:end]) <= room < sum(lengths[start : end + 1])
    assert sum(lengths[starts[-1] :]) <= room
