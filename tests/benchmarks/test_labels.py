"""Labels of two systems are compared word by word."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.benchmarks.labels import compare, f1, tags_of_spans, word_begins
from nerx.benchmarks.peers.libraries import words_of_groups
from nerx.export.sample import Sample

WORDS = ["Angela", "Merkel", "visited", "Paris", "."]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O"]
SAMPLE = Sample([WORDS, WORDS], [TAGS, TAGS], "s")


def test_spans_of_characters_become_tags_of_words():
    spans = [(0, 13, "PER"), (22, 27, "LOC")]
    assert tags_of_spans(spans, WORDS, " ") == TAGS


def test_neighbouring_spans_of_one_type_stay_apart():
    spans = [(0, 6, "PER"), (7, 13, "PER")]
    assert tags_of_spans(spans, WORDS, " ")[:2] == ["B-PER", "B-PER"]


def test_a_gap_inside_a_word_ends_no_entity():
    # A tokenizer that parts "U.S." lets a pipeline label its periods O.
    spans = [(0, 1, "ORG"), (2, 3, "ORG"), (5, 9, "ORG")]
    assert tags_of_spans(spans, ["U.S.", "Army", "was"], " ") == ["B-ORG", "I-ORG", "O"]


def test_a_span_inside_a_word_labels_nothing():
    assert tags_of_spans([(2, 3, "ORG")], ["U.S.", "Army"], " ") == ["O", "O"]


@given(st.lists(st.text("我爱北京", min_size=1, max_size=4), max_size=6))
def test_words_of_segmentation(words):
    characters = list("".join(words))
    begins = word_begins(words, "")
    spans = [(a, b, "") for a, b in pairwise(begins)]
    tags = tags_of_spans(spans, characters, "")
    assert [i for i, tag in enumerate(tags) if tag == "B"] == begins[:-1]
    assert len(tags) == len(characters)
    assert "O" not in tags


def test_groups_of_bare_labels_become_words():
    # 我/爱/北京 as a pipeline sees it: B B B I, of which it reports BBB and I
    assert words_of_groups([(0, 3, "B"), (3, 4, "I")]) == [(0, 1, ""), (1, 2, ""), (2, 4, "")]


def test_one_wrong_label_shows():
    wrong = [*TAGS[:3], "B-ORG", "O"]
    found = compare([TAGS, wrong], [TAGS, TAGS], SAMPLE)
    assert found.share == pytest.approx(0.9)
    [text] = found.differences
    assert text.startswith("document 2: 'Paris' is B-ORG, not B-LOC")
    assert compare([TAGS, TAGS], [TAGS, TAGS], SAMPLE).share == 1.0


def test_f1_counts_spans_as_seqeval_does():
    from seqeval.metrics import f1_score

    own = [[*TAGS[:3], "B-ORG", "O"], ["B-PER", "O", "O", "B-LOC", "O"]]
    assert f1(own, SAMPLE) == pytest.approx(f1_score(SAMPLE.tags, own))
    assert f1(own, Sample(SAMPLE.words, None, "s")) is None


def test_f1_of_segmentation():
    gold = Sample([list("我爱北京")], [["B", "B", "B", "I"]], "s", "characters")
    assert f1([["B", "B", "B", "I"]], gold) == 1.0
    assert f1([["B", "B", "B", "B"]], gold) == pytest.approx(4 / 7)
