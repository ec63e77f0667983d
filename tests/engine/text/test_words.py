import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.text import words
from nerx.engine.text.words import characters, code_points, cut_words


def words_of(text: str) -> list[str]:
    first, end, _ = cut_words(text)
    return [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_cut_words(text: str, expected: str) -> None:
    assert words_of(text) == (expected.split("|") if expected else [])


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_words_are_ordered_disjoint_and_leave_out_white_space_only(text: str) -> None:
    first, end, _ = cut_words(text)
    assert (first < end).all()
    assert (end[:-1] <= first[1:]).all()
    kept = "".join(text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True))
    assert kept == "".join(c for c in text if not c.isspace())


@given(st.text(alphabet="ab'.,-5sUS& \n我のก!", max_size=60), st.integers(1, 9))
def test_a_text_cut_in_slices_has_the_same_words(text: str, size: int) -> None:
    whole = cut_words(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_SLICE", size)
        for part, expected in zip(cut_words(text), whole, strict=True):
            assert part.tolist() == expected.tolist()


@pytest.mark.parametrize("run", ["東京は", "「ラーメン」を2杯!", "เขาชื่อJohn", "ᥐក", "ｶﾅ,", "བོད་"])
def test_around_a_letter_of_an_unspaced_script_nothing_is_cut(run: str) -> None:
    text = f"Paris, {run} U.S. 我 {run}\n서울은, {run}"
    first, end, runs = cut_words(text)
    found = [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]
    assert found == ["Paris", ",", run, "U.S.", "我", run, "서울은", ",", run]
    assert runs.tolist() == [2, 5, 8]


@pytest.mark.parametrize("text", ["我 爱・北京", "서울은 한국의", "฿5", "Größe, naïve", "日本"])
def test_other_scripts_have_no_unspaced_runs(text: str) -> None:
    assert not len(cut_words(text)[2])


@given(st.lists(st.text(alphabet="ab'.,-5s&S U我", max_size=12), max_size=6))
def test_a_line_end_parts_documents(texts: list[str]) -> None:
    """Documents are cut joined by line ends; none may change the words of its neighbour."""
    assert words_of("\n".join(texts)) == [word for text in texts for word in words_of(text)]


def test_characters_leaves_out_white_space() -> None:
    assert characters(code_points("我 a\n\U00020000\u3000。")).tolist() == [0, 2, 4, 6]
