"""Two labellings of the same records: where they differ, and how often."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, zip_longest

from ..errors import InputError
from ..labels.scoring import Score
from .records import Shown, Span, cut
from .tally import PAGE_CHARACTERS, Names, Ranked, bound, least

WORST = 200  # records that are kept
_QUOTED = 60  # characters of a text in a message

_Key = tuple[int, int, str]


@dataclass(slots=True)
class Comparison:
    """Counts over pairs of records, and the pairs that differ most.

    confusions: type in the first and in the second, "" for none, of spans that overlap and differ
    names: by type, of spans that only one of the two has
    """

    records: int = 0
    differing: int = 0
    segmented: bool = False
    correct: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    second: Counter[str] = field(default_factory=Counter)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    names: Names = field(default_factory=dict)
    worst: list[Ranked] = field(default_factory=list)

    def score(self, kind: str | None = None) -> Score:
        """How the first agrees with the second, taken as gold: in all types or in one."""
        counts = (self.correct, self.first, self.second)
        return Score(*(part.total() if kind is None else part[kind] for part in counts))

    def add(self, first: Shown, second: Shown) -> None:
        """Compares a record's two labellings."""
        self.records += 1
        ours, theirs = ({span[:3]: span for span in record.spans} for record in (first, second))
        self.first.update(kind for _, _, kind in ours)
        self.second.update(kind for _, _, kind in theirs)
        if ours.keys() == theirs.keys():
            self.correct.update(kind for _, _, kind in ours)
            return
        self.differing += 1
        self.correct.update(key[2] for key in ours if key in theirs)
        ours_only = sorted(key for key in ours if key not in theirs)
        theirs_only = sorted(key for key in theirs if key not in ours)
        self.confusions.update(_confused(ours_only, theirs_only))
        disputed = {*ours_only, *theirs_only}
        for start, end, kind in disputed:
            self.names.setdefault(kind, Counter())[first.text[start:end]] += 1
        bound(self.names)
        pair = first._replace(others=second.spans, focus=min(disputed)[0])
        self.worst.append(Ranked(-len(disputed), self.records, cut(pair, PAGE_CHARACTERS)))
        if len(self.worst) > 2 * WORST:
            self.worst = least(self.worst, WORST)


def compare(first: Iterator[Shown], second: Iterator[Shown], names: tuple[str, str]) -> Comparison:
    """Compares two labellings record by record.

    names: of the files that the records are from

    Raises:
        InputError: they are not of the same texts.
    """
    comparison = Comparison()
    for number, (a, b) in enumerate(zip_longest(first, second), 1):
        if a is None or b is None:
            short, long = names if a is None else names[::-1]
            raise InputError(
                f"{short} has {number - 1:,} records, {long} has more; give two labellings of the"
                " same records"
            )
        if a.text != b.text:
            a, b = _solid(a), _solid(b)
        if a.text != b.text:
            raise InputError(
                f"{names[0]}:{a.line} and {names[1]}:{b.line} are of different texts:"
                f" {a.text[:_QUOTED]!r} and {b.text[:_QUOTED]!r}"
            )
        comparison.segmented |= any(not span.type for span in a.spans)
        comparison.add(a, b)
    comparison.worst = least(comparison.worst, WORST)
    return comparison


def _solid(record: Shown) -> Shown:
    """Segmented text without the white space between its words, which gold data lacks."""
    words = [record.text[start:end] for start, end, kind, _ in record.spans if not kind]
    ends = accumulate(map(len, words))
    spans = [Span(end - len(word), end, "", None) for word, end in zip(words, ends, strict=True)]
    return record._replace(text="".join(words), spans=spans) if words else record


def _confused(ours: list[_Key], theirs: list[_Key]) -> Iterator[tuple[str, str]]:
    """Types of spans that overlap, and "" beside the type of one that overlaps none."""
    met = set()
    at = 0
    for start, end, kind in ours:
        while at < len(theirs) and theirs[at][1] <= start:
            at += 1
        if at < len(theirs) and theirs[at][0] < end:
            met.add(at)
            yield kind, theirs[at][2]
        else:
            yield kind, ""
    yield from (("", kind) for place, (_, _, kind) in enumerate(theirs) if place not in met)
