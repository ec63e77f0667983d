"""What two systems found in the same words, word by word.

Systems name what they found as spans of characters of the text that they were given. As tags of
words (B-, I- and O, or B and I for segmentation) they can be compared with each other and with
gold.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ..engine.arrays import begins_of
from ..engine.labels.schemes import Scheme
from ..engine.labels.scoring import score
from ..engine.run.evaluation import gold_labels
from ..export.sample import Sample

Span = tuple[int, int, str]  # first character, character after the last, type ("" for a word)
Tags = list[list[str]]  # a tag for each word of each document

_SHOWN = 5  # disagreements
_CONTEXT = 3  # words on either side of one


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a system's tags are those of the reference."""

    share: float  # of all words
    differences: list[str]  # some of them, in words


def word_begins(words: Sequence[str], joint: str) -> list[int]:
    """Where each word begins in the joined text, and where one more would."""
    return list(accumulate((len(word) + len(joint) for word in words), initial=0))


def word_spans(words: Sequence[str]) -> list[Span]:
    """The spans of words that make up a text without anything between them."""
    return [(first, end, "") for first, end in pairwise(word_begins(words, ""))]


def tags_of_spans(spans: Sequence[Span], words: Sequence[str], joint: str) -> list[str]:
    """Tags of a document's words; a word belongs to the span in which its first character is."""
    begins = word_begins(words, joint)
    tags = ["O"] * len(words)
    open_end, open_type = -1, ""
    for start, end, kind in sorted(spans):
        first, stop = bisect_left(begins, start), bisect_left(begins, end)
        stop = min(stop, len(words))
        if first < stop:
            before = begins[first] - len(joint)
            # Where a tokenizer parts a word in pieces, a gap inside a word ends no entity.
            goes_on = first and kind == open_type and tags[first - 1] != "O" and open_end < before
            suffix = f"-{kind}" if kind else ""
            tags[first:stop] = [f"I{suffix}"] * (stop - first)
            if not goes_on:
                tags[first] = f"B{suffix}"
        open_end, open_type = end, kind
    return tags


def compare(tags: Tags, reference: Tags, sample: Sample) -> Agreement:
    """The share of words that have the reference's tag, and some that have not."""
    words = wrong = 0
    shown: list[str] = []
    for number, (own, other) in enumerate(zip(tags, reference, strict=True)):
        words += len(own)
        for place, (a, b) in enumerate(zip(own, other, strict=True)):
            if a == b:
                continue
            wrong += 1
            if len(shown) < _SHOWN:
                around = sample.words[number][max(0, place - _CONTEXT) : place + _CONTEXT + 1]
                word = sample.words[number][place]
                text = sample.joint.join(around)
                shown.append(f"document {number + 1}: {word!r} is {a}, not {b}, in {text!r}")
    return Agreement(1 - wrong / words if words else 1.0, shown)


def f1(tags: Tags, sample: Sample) -> float | None:
    """F1 against the sample's gold tags, as seqeval counts; None if it has none."""
    if sample.tags is None:
        return None
    kinds = {tag.partition("-")[2] for row in (*tags, *sample.tags) for tag in row if tag != "O"}
    bare = kinds <= {""}
    labels = ["B", "I"] if bare else ["O", *(f"{role}-{k}" for k in sorted(kinds) for role in "BI")]
    scheme = Scheme.from_labels(labels)
    gold, own = (gold_labels(rows, scheme) for rows in (sample.tags, tags))
    return score(gold, own, begins_of(tags), scheme).f1
