"""What is counted over all records and kept of them: made block by block, then merged."""

from collections import Counter
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..types import Block
from .records import Shown, Value, check, cut, parse, show

SCORE_BINS = 20
LENGTH_BINS = 40  # by powers of two
SAMPLE, DOUBTFUL, LONGEST = 300, 100, 10  # records that are kept
PAGE_CHARACTERS = 8_000  # of a record
LONGEST_CHARACTERS = 400_000  # of one of the longest

_NAMES = 50_000  # kept at least, of those that are found most
_NAME_CHARACTERS = 100  # what is longer is no name
_MIXED = 'some lines have "entities", others "words"; view them apart'

Numbers = NDArray[np.float64]
Names = dict[str, Counter[str]]  # by type


class Ranked(NamedTuple):
    """A record that is kept, and why: of all records, those with the least keys are."""

    key: float
    number: int  # of the line; of two records of the same key, the first is kept
    record: Shown


class Limits(NamedTuple):
    """What the keys of records are not above if these are to be kept, where as much is known."""

    sample: float = inf
    doubtful: float = inf
    longest: float = inf


NO_LIMITS = Limits()


@dataclass(slots=True)
class Tally:
    """Counts over records, and some of the records.

    kind: the key of what was found: "entities" or "words"
    bare: records in which nothing was found
    types: of entities; for words their lengths
    names: by type, how often each was found
    scores: for each type how many are in which twentieth: (SCORE_BINS,)
    """

    kind: str = ""
    records: int = 0
    characters: int = 0
    found: int = 0
    bare: int = 0
    scored: bool = False
    types: Counter[str] = field(default_factory=Counter)
    score_sums: Counter[str] = field(default_factory=Counter)
    names: Names = field(default_factory=dict)
    names_forgotten: bool = False
    scores: dict[str, Any] = field(default_factory=dict)
    lengths: Numbers = field(default_factory=lambda: np.zeros(LENGTH_BINS))
    sample: list[Ranked] = field(default_factory=list)
    doubtful: list[Ranked] = field(default_factory=list)
    longest: list[Ranked] = field(default_factory=list)

    def merge(self, other: "Tally") -> None:
        """Adds what was counted in other records.

        Raises:
            InputError: entities were found in these, words in the others.
        """
        if self.kind and other.kind and self.kind != other.kind:
            raise InputError(_MIXED)
        self.kind = self.kind or other.kind
        self.records += other.records
        self.characters += other.characters
        self.found += other.found
        self.bare += other.bare
        self.scored |= other.scored
        self.types.update(other.types)
        self.score_sums.update(other.score_sums)
        for kind, names in other.names.items():
            self.names.setdefault(kind, Counter()).update(names)
        for kind, bins in other.scores.items():
            self.scores[kind] = self.scores.get(kind, 0) + bins
        self.lengths += other.lengths
        self.sample = least(self.sample + other.sample, SAMPLE)
        self.doubtful = least(self.doubtful + other.doubtful, DOUBTFUL)
        self.longest = least(self.longest + other.longest, LONGEST)
        self.names_forgotten |= bound(self.names)

    def limits(self) -> Limits:
        """What other records must be within to be kept beside these."""
        lists = ((self.sample, SAMPLE), (self.doubtful, DOUBTFUL), (self.longest, LONGEST))
        return Limits(*(rows[-1].key if len(rows) == size else inf for rows, size in lists))


def least(rows: list[Ranked], size: int) -> list[Ranked]:
    """The rows of the least keys, those first."""
    return sorted(rows, key=lambda row: row[:2])[:size]


def bound(names: Names) -> bool:
    """Forgets rare names where there are very many; whether it did."""
    if sum(map(len, names.values())) <= 4 * _NAMES:
        return False
    counts = np.array([count for part in names.values() for count in part.values()])
    fewest = np.sort(counts)[-_NAMES]
    room = _NAMES - int((counts > fewest).sum())  # for names that are found just so often
    for kind, part in names.items():
        names[kind] = Counter()
        for name, count in part.items():
            if count > fewest or (count == fewest and room > 0):
                room -= count == fewest
                names[kind][name] = count
    return True


def tally_block(block: Block, path: str, seed: int, limits: Limits = NO_LIMITS) -> Tally:
    """Counts the records of a block.

    Raises:
        InputError: one of them is no labelled record.
    """
    numbers, values = parse(block, path)
    return tally_values(numbers, values, path, seed, limits)


def tally_values(
    numbers: list[int], values: list[Value], path: str, seed: int, limits: Limits = NO_LIMITS
) -> Tally:
    """Counts records, and keeps some of those within the limits.

    numbers: of their lines

    Raises:
        InputError: one of them is no labelled record.
    """
    try:
        return _tally(numbers, values, path, seed, limits)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        for number, value in zip(numbers, values, strict=True):
            check(value, f"{path}:{number}")
        raise InputError(f"{path}: {_MIXED}") from None


def _tally(numbers: list[int], values: list[Value], path: str, seed: int, limits: Limits) -> Tally:
    if not values:
        return Tally()
    segmented = "words" in values[0]
    key = "words" if segmented else "entities"
    found: list[list[Any]] = [value[key] for value in values]
    counts = np.fromiter(map(len, found), np.int64, len(found))
    lengths = np.fromiter(map(_length, values), np.int64, len(values))
    flat = [item for items in found for item in items]

    def keep(keys: Numbers, limit: float, size: int, most: int) -> list[Ranked]:
        within = np.flatnonzero(np.isfinite(keys) & (keys <= limit))
        order = within[np.argsort(keys[within], kind="stable")[:size]]
        return [
            Ranked(float(keys[i]), numbers[i], cut(record._replace(focus=_doubt(record)), most))
            for i in order.tolist()
            for record in [show(values[i], numbers[i], f"{path}:{numbers[i]}")]
        ]

    tally = Tally(
        kind=key,
        records=len(values),
        characters=int(lengths.sum()),
        found=len(flat),
        bare=int((counts == 0).sum()),
        lengths=np.bincount(power_bins(lengths), minlength=LENGTH_BINS).astype(float),
        sample=keep(_random(numbers, seed), limits.sample, SAMPLE, PAGE_CHARACTERS),
        longest=keep(-lengths.astype(float), limits.longest, LONGEST, LONGEST_CHARACTERS),
    )
    if segmented:
        for word, n in Counter(flat).items():
            tally.types[str(len(word))] += n
        tally.names = {"": _names(flat)}
        return tally
    scores = np.array([entity.get("score", nan) for entity in flat], float)
    _count(tally, flat, scores)
    if tally.scored:
        begins = np.cumsum(counts) - counts
        least = np.full(len(counts), np.nan)
        least[counts > 0] = np.minimum.reduceat(scores, begins[counts > 0])
        tally.doubtful = keep(least, limits.doubtful, DOUBTFUL, PAGE_CHARACTERS)
    return tally


def _count(tally: Tally, entities: list[Value], scores: Numbers) -> None:
    """Counts entities by type and by name, and their scores."""
    types = [entity["entity_group"] for entity in entities]
    tally.types = Counter(types)
    words: dict[str, list[str]] = {kind: [] for kind in tally.types}
    for kind, entity in zip(types, entities, strict=True):
        words[kind].append(entity["word"])
    tally.names = {kind: _names(part) for kind, part in words.items()}
    tally.scored = not np.isnan(scores).all()
    numbers = {kind: number for number, kind in enumerate(tally.types)}
    kinds = np.fromiter(map(numbers.__getitem__, types), np.int64, len(types))
    known = ~np.isnan(scores)
    kinds, scores = kinds[known], scores[known]
    bins = np.minimum((scores * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
    table = np.bincount(kinds * SCORE_BINS + bins, minlength=len(numbers) * SCORE_BINS)
    tally.scores = dict(zip(numbers, table.reshape(-1, SCORE_BINS), strict=True))
    sums = np.bincount(kinds, weights=scores, minlength=len(numbers)).tolist()
    tally.score_sums = Counter(dict(zip(numbers, sums, strict=True)))


def _names(words: list[str]) -> Counter[str]:
    """How often each is there, of those that are no longer than a name."""
    if max(map(len, words), default=0) > _NAME_CHARACTERS:
        words = [word for word in words if len(word) <= _NAME_CHARACTERS]
    return Counter(words)


def _length(value: Value) -> int:
    """Characters of a record."""
    if (tokens := value.get("tokens")) is not None:
        return sum(map(len, tokens)) + len(tokens)
    return len(value["text"]) if "text" in value else sum(map(len, value["words"]))


def power_bins(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The power of two that a length reaches, 0 for a length of 0 or 1."""
    return np.frexp(np.maximum(lengths, 1))[1].astype(np.int64) - 1


def _random(numbers: list[int], seed: int) -> Numbers:
    """A number from 0 to 1 for each line, the same in every run: SplitMix64 of its number."""
    x = np.array(numbers, np.uint64) + np.uint64(seed)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).astype(float) / 2.0**64


def _doubt(record: Shown) -> int:
    """Where the entity with the least score begins; 0 where none has a score."""
    scored = [(span.score, span.start) for span in record.spans if span.score is not None]
    return min(scored)[1] if scored else 0
