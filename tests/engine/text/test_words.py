import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.text.words import characters, code_points, cut_words


def words_of(text: str) -> list[str]:
    first, end, _ = cut_words(text)
    return [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Paris, London.", "Paris|,|London|."),
        ("the U.S.-led U.N. and U.S.", "the|U.S.-led|U.N.|and|U.S."),
        ("J. O'Brien can't", "J.|O'Brien|can't"),
        ("Germany's and Louis' and CLINTON'S", "Germany|'s|and|Louis|'|and|CLINTON|'S"),
        ("Germany’s o’clock", "Germany|’s|o’clock"),
        ("$1,000.5 or .496 at 12:30, 1/2", "$|1,000.5|or|.496|at|12:30|,|1/2"),
        ("Anglo-American -- said... !!", "Anglo-American|--|said|...|!!"),
        ("Apple Corp. of St. Louis.", "Apple|Corp.|of|St.|Louis|."),
        ("AT&T me@host.org and/or", "AT&T|me@host.org|and|/|or"),
        ("我爱New York。", "我|爱|New|York|。"),
        ("e\u0301tude na\u200bive 😀😀", "e\u0301tude|na\u200bive|😀😀"),
        ("it's 's .5's", "it|'s|'|s|.5|'s"),
        ("a\u2028b\x00c\u3000d", "a|b|\x00|c|d"),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_cut_words(text: str, words: str) -> None:
    assert words_of(text) == (words.split("|") if words else [])


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_words_are_ordered_disjoint_and_leave_out_white_space_only(text: str) -> None:
    first, end, _ = cut_words(text)
    assert (first < end).all()
    assert (end[:-1] <= first[1:]).all()
    kept = "".join(text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True))
    assert kept == "".join(c for c in text if not c.isspace())


@given(st.lists(st.text(alphabet="ab'.,-5s&S U我", max_size=12), max_size=6))
def test_a_line_end_parts_documents(texts: list[str]) -> None:
    """Documents are cut joined by line ends; none may change the words of its neighbour."""
    assert words_of("\n".join(texts)) == [word for text in texts for word in words_of(text)]


def test_characters_leaves_out_white_space() -> None:
    assert characters(code_points("我 a\n\U00020000\u3000。")).tolist() == [0, 2, 4, 6]
