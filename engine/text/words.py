"""Where the words of raw text begin and end, by one rule for every model.

A word is a run of letters, digits and marks. What newswire corpora keep whole stays whole: "U.S.",
"can't", "1,000.5", "12:30", "1/2", "Anglo-American", "AT&T", "name@host.org", "Corp."; every other
sign is a word of its own (a run of one sign, such as "...", is one word), and so is a Chinese
character and the "'s" of a genitive. The rule looks at whole arrays of code points, never at one
word at a time. It has nothing to say of Japanese, Thai, Lao, Khmer, Burmese and Tibetan, which put
no space between words.
"""

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Places = NDArray[np.int64]
Kinds = NDArray[np.uint8]

_UNKNOWN, _SPACE, _LETTER, _DIGIT, _HAN, _UNSPACED = range(6)
_SIGN, _APOSTROPHE, _PERIOD, _HYPHEN, _JOINER, _DIGIT_JOINER = range(6, 12)
_SIGNS = {
    **dict.fromkeys("'’", _APOSTROPHE),
    ".": _PERIOD,
    "-": _HYPHEN,
    **dict.fromkeys("&@", _JOINER),
    **dict.fromkeys(",:/", _DIGIT_JOINER),
}
_classes = np.zeros(0x110000, np.uint8)  # filled with the characters that were met

_SLICE = 1 << 20  # characters that are cut at once, which bounds the memory
_CONTEXT = 8  # characters around a slice; the rule looks at no more than four

# Scripts that part no words, by how the names of their letters begin.
_UNSPACED_SCRIPTS = (
    *("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "HENTAIGANA"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"),
)

# Abbreviations whose period belongs to the word even in the middle of a sentence.
ABBREVIATIONS = frozenset(
    "Mr Mrs Ms Dr Prof St Sr Jr Gen Col Lt Sgt Capt Sen Rep Gov Rev Hon Messrs Mt Ft vs No ST "
    "Inc Corp Co Ltd Bros INC CORP CO LTD "
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec".split()
)


def code_points(text: str) -> Codes:
    """The code points of a text, unpaired surrogates included: (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def cut_words(text: str) -> tuple[Places, Places, Places]:
    """Begin and end of every word in `text`, and the numbers of those words that are unspaced runs.

    What stands between white space is such a run where it holds a letter of a script that parts no
    words: how it is cut, only a tokenizer can say.
    """
    slices = [_cut_slice(text, begin) for begin in range(0, len(text) or 1, _SLICE)]
    first, end, kinds = (np.concatenate(parts) for parts in zip(*slices, strict=True))
    first, end = _keep_abbreviations(text, kinds, first, end)
    if not (kinds == _UNSPACED).any():
        return first, end, np.zeros(0, np.int64)
    return _keep_runs(first, end, kinds)


def _cut_slice(text: str, begin: int) -> tuple[Places, Places, Kinds]:
    """Begins and ends of words in a slice of the text, and its kinds of characters."""
    context = min(begin, _CONTEXT)
    codes = code_points(text[begin - context : begin + _SLICE + _CONTEXT])
    kinds = _kinds(codes)
    joined = _joined(codes, kinds)
    solid = kinds != _SPACE
    follows = np.zeros(len(codes), np.bool_)  # goes on with the word of the character before
    follows[1:] = joined[1:] & solid[:-1]
    inside = slice(context, context + _SLICE)
    first = np.flatnonzero((solid & ~follows)[inside])
    last = np.flatnonzero((solid & ~np.append(follows[1:], False))[inside])
    return first + begin, last + begin + 1, kinds[inside]


def _keep_runs(first: Places, end: Places, kinds: Kinds) -> tuple[Places, Places, Places]:
    """Makes one word of what stands between white space around letters of unspaced scripts."""
    gaps = np.concatenate([[-1], np.flatnonzero(kinds == _SPACE), [len(kinds)]])
    after = np.unique(np.searchsorted(gaps, np.flatnonzero(kinds == _UNSPACED)))
    run_first, run_end = gaps[after - 1] + 1, gaps[after]
    run = np.searchsorted(run_first, first, side="right") - 1  # the last one that begins before
    outside = (run < 0) | (first >= run_end[run])
    first = np.sort(np.append(first[outside], run_first), kind="stable")
    end = np.sort(np.append(end[outside], run_end), kind="stable")
    return first, end, np.searchsorted(first, run_first)


def characters(codes: Codes) -> Places:
    """Where the characters stand that are not white space: (words,)."""
    return np.flatnonzero(_kinds(codes) != _SPACE)


def _kinds(codes: Codes) -> Kinds:
    kinds = _classes[codes]
    if not kinds.all():
        for code in np.unique(codes[kinds == _UNKNOWN]):
            _classes[code] = _classify(chr(code))
        kinds = _classes[codes]
    return kinds


def _classify(character: str) -> int:
    if character.isspace():
        return _SPACE
    category = unicodedata.category(character)
    if category == "Nd":
        return _DIGIT
    name = unicodedata.name(character, "")
    if category == "Lo" and name.startswith("CJK"):
        return _HAN
    if category[0] in "LM" and name.startswith(_UNSPACED_SCRIPTS):
        return _UNSPACED
    # Pc: the underscore of names; Cf: joiners, soft hyphens and direction marks inside words
    if category[0] in "LMN" or category in ("Pc", "Cf"):
        return _LETTER
    return _SIGNS.get(character, _SIGN)


def _joined(codes: Codes, kinds: Kinds) -> NDArray[np.bool_]:
    """Whether each character goes on with the word of the one before it.

    All questions are asked of whole arrays, each of a character, its neighbours and their kinds.

    >>> text = "The U.S.-led $1,000.5, Ann's -- can't."
    >>> codes = code_points(text)
    >>> joined = _joined(codes, _kinds(codes))
    >>> "".join(sign if goes_on else "|" + sign for sign, goes_on in zip(text, joined))
    "|The| |U.S.-led| |$|1,000.5|,| |Ann|'s| |--| |can't."
    """
    before, after = _shift(kinds, 1), _shift(kinds, -1)
    alnum, digit = _is_alnum(kinds), kinds == _DIGIT
    alnum_before, alnum_after = _is_alnum(before), _is_alnum(after)
    same = np.append(False, codes[1:] == codes[:-1])

    period = kinds == _PERIOD
    # "U.S.", "J.": the period after a letter that stands alone
    initial = _shift(alnum & ~digit & ~alnum_before, 1) & period & ~_shift(same, -1)
    between_words = (kinds >= _APOSTROPHE) & (kinds <= _JOINER)
    between_digits = (kinds == _DIGIT_JOINER) & (before == _DIGIT) & (after == _DIGIT)
    inner = (between_words & alnum_before & alnum_after) | between_digits
    inner |= (kinds == _HYPHEN) & _shift(initial, 1) & alnum_after  # "U.S.-led"
    # the "'s" of a genitive begins a word of its own
    genitive = (kinds == _APOSTROPHE) & alnum_before & ~_shift(alnum, -2)
    genitive &= _shift((codes == ord("s")) | (codes == ord("S")), -1)
    decimal = period & ~alnum_before & (after == _DIGIT) & ~same  # ".496"

    joined: NDArray[np.bool_] = (alnum & alnum_before) | (same & (kinds >= _SIGN))
    joined |= initial | inner
    joined |= _shift(inner | genitive | decimal, 1)
    joined &= ~genitive
    return joined


def _is_alnum(kinds: Kinds) -> NDArray[np.bool_]:
    alnum: NDArray[np.bool_] = (kinds == _LETTER) | (kinds == _DIGIT)
    return alnum


def _shift(values: NDArray[Any], by: int) -> NDArray[Any]:
    """`values` moved to the right by `by` places (left if negative), filled with zeros."""
    moved = np.zeros_like(values)
    if by > 0:
        moved[by:] = values[:-by]
    else:
        moved[:by] = values[-by:]
    return moved


def _keep_abbreviations(
    text: str, kinds: Kinds, first: Places, end: Places
) -> tuple[Places, Places]:
    """Gives "Corp", "Mr" and the like the period that follows them."""
    period = (kinds[first] == _PERIOD) & (end - first == 1)
    before = np.flatnonzero(period[1:] & (first[1:] == end[:-1]))
    found = [word for word in before.tolist() if text[first[word] : end[word]] in ABBREVIATIONS]
    if not found:
        return first, end
    end = end.copy()
    end[found] += 1
    keep = np.ones(len(first), np.bool_)
    keep[np.array(found) + 1] = False
    return first[keep], end[keep]
