"""Counts as the rows and bars of a page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

import numpy as np

from ..labels.scoring import Score
from .compare import Comparison
from .tally import SCORE_BINS, Names, Numbers, Tally

_TYPES = 40  # rows of a table; what else there is, is summed up
_NAMES = 100
_CONFUSIONS = 12
_WORD_LENGTHS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart in which the highest is 100."""

    x: int
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars under a heading; `label` tells what they count."""

    title: str
    label: str
    bars: list[Bar]
    first: str  # what stands under both ends of the axis
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """A type, or in the last row all that have no row."""

    name: str
    summed: bool = False
    count: int
    share: float
    score: float | None  # mean
    bars: list[Bar] = field(default_factory=list)


def type_rows(tally: Tally) -> list[TypeRow]:
    """The types that are found most, and in one last row all others."""
    ranked = [name for name, _ in tally.types.most_common()]
    rows = [_type_row(tally, name, [name]) for name in ranked[:_TYPES]]
    if rest := ranked[_TYPES:]:
        rows.append(_type_row(tally, f"{len(rest):,} other types", rest, summed=True))
    return rows


def _type_row(tally: Tally, title: str, names: list[str], summed: bool = False) -> TypeRow:
    count = sum(tally.types[name] for name in names)
    scores = sum((tally.scores.get(name, 0) for name in names), np.zeros(SCORE_BINS))
    scored = scores.sum()
    return TypeRow(
        name=title,
        summed=summed,
        count=count,
        share=count / max(tally.found, 1),
        score=sum(tally.score_sums[name] for name in names) / scored if scored else None,
        bars=_score_bars(scores) if scored else [],
    )


def agreement_rows(comparison: Comparison) -> list[tuple[str, Score]]:
    """The types of both labellings and their scores, those first that are found most."""
    names = (comparison.first + comparison.second).most_common(_TYPES)
    return [(name, comparison.score(name)) for name, _ in names]


def confusion_rows(comparison: Comparison) -> list[tuple[str, str, int]]:
    """Type in the first, in the second, and how often: what differs most often."""
    return [(a, b, count) for (a, b), count in comparison.confusions.most_common(_CONFUSIONS)]


def name_rows(names: Names) -> list[tuple[str, str, int]]:
    """Name, type and count of the names that are found most; punctuation is none."""
    rows = ((name, kind, n) for kind, part in names.items() for name, n in part.items())
    ranked = nsmallest(2 * _NAMES, rows, key=lambda row: (-row[2], *row))
    return [row for row in ranked if any(map(str.isalnum, row[0]))][:_NAMES]


def score_chart(scores: Numbers) -> Chart:
    """How many entities have which score."""
    return Chart(
        title="Scores", label="Entities by score", bars=_score_bars(scores), first="0", last="1"
    )


def _score_bars(scores: Numbers) -> list[Bar]:
    edges = [f"{place / SCORE_BINS:.2f}" for place in range(SCORE_BINS + 1)]
    # Nearly all scores are close to 1; roots let the others be seen.
    return _bars(np.sqrt(scores), scores, map("{} to {}".format, edges, edges[1:]))


def word_chart(lengths: Counter[str]) -> Chart:
    """How many words have which length, the last bar for all longer ones."""
    counts = np.zeros(_WORD_LENGTHS)
    for length, count in lengths.items():
        counts[min(int(length), _WORD_LENGTHS) - 1] += count
    titles = [f"{n} characters" for n in range(1, _WORD_LENGTHS)] + [f"{_WORD_LENGTHS} or more"]
    return Chart(
        title="Words by length",
        label="Words by length in characters",
        bars=_bars(counts, counts, titles),
        first="1",
        last=titles[-1],
    )


def length_chart(lengths: Numbers) -> Chart:
    """How many records have which length, by powers of two."""
    last = int(np.flatnonzero(lengths).max(initial=0)) + 1
    titles = [f"{1 << p if p else 0:,} to {(2 << p) - 1:,} characters" for p in range(last)]
    return Chart(
        title="Records by length",
        label="Records by length in characters",
        bars=_bars(lengths[:last], lengths[:last], titles),
        first="0",
        last=f"{(1 << last) - 1:,} characters",
    )


def _bars(heights: Numbers, counts: Numbers, titles: Iterable[str]) -> list[Bar]:
    most = max(float(heights.max(initial=0)), 1e-9)
    return [
        Bar(x, round(100 * height / most, 1), f"{title}: {int(count):,}")
        for x, (height, count, title) in enumerate(
            zip(heights.tolist(), counts.tolist(), titles, strict=True)
        )
    ]
