"""Two benchmarks against each other, by ratios: load changes times, and ratios hardly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..engine.errors import InputError
from .rows import measured, title

TOLERANCE = 0.05  # a ratio may fall by so much before it counts

Rows = dict[str, dict[str, Any]]  # by title


@dataclass(frozen=True, slots=True)
class Change:
    """A row's speed beside what it is held to, then and now."""

    title: str
    measure: str  # what the speed is divided by
    before: float
    after: float
    worse: bool

    @property
    def relative(self) -> float:
        return self.after / self.before - 1


def compare_results(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Rows of the same system, runtime and precision, by the ratio to the same peer.

    Where the two have no peer in common, the share of the machine's limit is compared instead; and
    where there is none, the speed beside that of the first row they share.

    Raises:
        InputError: they are of different models or units, or share nothing to compare by.
    """
    for what in ("model", "corpus"):
        a, b = old[what]["name"], new[what]["name"]
        if a != b:
            raise InputError(f"the old results are of the {what} {a}, the new ones of {b}")
    before, after = ({title(row): row for row in measured(one)} for one in (old, new))
    shared = [name for name in before if name in after]
    measure = old["first_peer"]
    if measure and measure == new["first_peer"]:
        shared = [name for name in shared if not name.startswith(f"{measure.split()[0]} ")]

        def figure(rows: Rows, name: str) -> float:
            return float(rows[name]["ratio"]["median"])

    elif all(rows[name].get("limit_share") for rows in (before, after) for name in shared):
        measure = "the limit"

        def figure(rows: Rows, name: str) -> float:
            return float(rows[name]["limit_share"])

    else:
        [measure, *shared] = shared

        def figure(rows: Rows, name: str) -> float:
            speed, base = (rows[one]["words_per_s"]["median"] for one in (name, measure))
            return float(speed / base)

    if not shared:
        raise InputError("the old and the new results share no two systems to compare")
    return [_change(measure, figure, name, before, after) for name in shared]


def _change(
    measure: str, figure: Callable[[Rows, str], float], name: str, before: Rows, after: Rows
) -> Change:
    a, b = figure(before, name), figure(after, name)
    least, most = _relative(before[name], "min"), _relative(after[name], "max")
    worse = b < a * min(1 - TOLERANCE, least) and b * most < a  # each out of the other's range
    return Change(name, measure, a, b, worse)


def _relative(row: dict[str, Any], end: str) -> float:
    """One end of the range of a row's rounds, as a share of the median."""
    speed = row["words_per_s"]
    return float(speed[end] / speed["median"])
