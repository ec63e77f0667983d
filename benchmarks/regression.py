"""Two benchmarks against each other, by ratios: load changes times, and ratios hardly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.errors import InputError
from .rows import measured, title

TOLERANCE = 0.05  # a ratio may fall by so much before it counts


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
    for what, a, b in (
        ("model", old["model"]["name"], new["model"]["name"]),
        ("corpus", old["corpus"]["name"], new["corpus"]["name"]),
    ):
        if a != b:
            raise InputError(f"the old results are of the {what} {a}, the new ones of {b}")
    before, after = _by_title(old), _by_title(new)
    shared = [name for name in before if name in after]
    if old["first_peer"] and old["first_peer"] == new["first_peer"]:
        changes = _changes(shared, before, after, "ratio", old["first_peer"])
    elif all(rows[name].get("limit_share") for rows in (before, after) for name in shared):
        changes = _changes(shared, before, after, "limit_share", "the limit")
    else:
        changes = _changes(shared[1:], *_beside_first(shared, before, after))
    if not changes:
        raise InputError("the old and the new results share no two systems to compare")
    return changes


def _by_title(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {title(row): row for row in measured(results)}


def _changes(
    shared: Sequence[str], before: dict[str, Any], after: dict[str, Any], key: str, measure: str
) -> list[Change]:
    changes = []
    for name in shared:
        if name.startswith(f"{measure.split()[0]} ") and key == "ratio":
            continue  # the peer itself
        old, new = before[name], after[name]
        a, b = _middle(old[key]), _middle(new[key])
        least = a * min(1 - TOLERANCE, _relative(old, "min"))
        worse = b < least and b * _relative(new, "max") < a  # each out of the other's range
        changes.append(Change(name, measure, a, b, worse))
    return changes


def _beside_first(
    shared: Sequence[str], before: dict[str, Any], after: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """Rows with `ratio` as the speed beside that of the first one."""
    both = []
    for rows in (before, after):
        base = rows[shared[0]]["words_per_s"]["median"] if shared else 1.0
        both.append(
            {t: rows[t] | {"ratio": rows[t]["words_per_s"]["median"] / base} for t in shared[1:]}
        )
    return both[0], both[1], "ratio", shared[0] if shared else ""


def _middle(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)


def _relative(row: dict[str, Any], end: str) -> float:
    """One end of the range of a row's rounds, as a share of the median."""
    speed = row["words_per_s"]
    return float(speed[end] / speed["median"])
