"""Label schemes (IOB1, IOB2, IOBES, BMES, bare B/I, plain tags) as tables over label ids.

A scheme answers two questions for every pair of neighbouring labels: does a span begin at the
second one, and may the second follow the first. Row `len(labels)` of both tables stands for the
edge of a document, so no caller needs a special case for the first word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError

Bools = NDArray[np.bool_]

# How each scheme spells the four roles of a word in a span: begin, inside, end, single.
_ROLES = {
    "iob1": {"B": "B", "I": "I"},
    "iob2": {"B": "B", "I": "I"},
    "iobes": {"B": "B", "I": "I", "E": "E", "S": "S"},
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "bmes": {"B": "B", "M": "I", "E": "E", "S": "S"},
    "plain": {},
}
_OUTSIDE = ("O", "")  # the role and type of a word outside all spans


@dataclass(frozen=True)
class Scheme:
    """A label list and the rules that turn runs of its labels into spans."""

    name: str
    labels: tuple[str, ...]

    @classmethod
    def from_labels(cls, labels: Sequence[str], name: str | None = None) -> "Scheme":
        """Finds the scheme of a label list, or takes the one that is named.

        Raises:
            BundleError: the list is empty or repeats a label, or the name is unknown.
        """
        if not labels or len(set(labels)) != len(labels):
            raise BundleError(f"labels must be a list of different names, got {list(labels)}")
        if name is not None and name not in _ROLES:
            raise BundleError(f"unknown label scheme {name!r}; expected one of {', '.join(_ROLES)}")
        return cls(name or _find(labels), tuple(labels))

    @cached_property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Role (B I E S, O, or T for a plain tag) and type of each label."""
        if self.name == "plain":
            return tuple(_OUTSIDE if label == "O" else ("T", label) for label in self.labels)
        roles = _ROLES[self.name]
        pairs = (_split(label) for label in self.labels)
        return tuple(
            (roles[prefix], kind) if prefix in roles else _OUTSIDE for prefix, kind in pairs
        )

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The span types, in the order of the label list; one empty string for bare labels."""
        return tuple(dict.fromkeys(kind for role, kind in self.parts if role != "O"))

    @property
    def segmentation(self) -> bool:
        """Whether every word belongs to a span of one nameless type, as in word segmentation."""
        return self.types == ("",) and not any(role == "O" for role, _ in self.parts)

    @cached_property
    def label_types(self) -> NDArray[np.int32]:
        """Type of each label as a number in `types`, -1 outside: (labels,)."""
        numbers = {kind: number for number, kind in enumerate(self.types)}
        return np.array(
            [-1 if role == "O" else numbers[kind] for role, kind in self.parts], np.int32
        )

    @cached_property
    def begins(self) -> Bools:
        """`begins[a, b]`: whether a span begins at `b` after `a`: (labels + 1, labels).

        Lenient, as conlleval and seqeval's default mode are: a stray I- opens a span.
        """
        edged = (*self.parts, _OUTSIDE)
        return np.array([[self._begins(a, b) for b in self.parts] for a in edged])

    @cached_property
    def legal(self) -> Bools:
        """`legal[a, b]`: whether `b` may follow `a`: (labels + 1, labels + 1), the edge last."""
        edged = (*self.parts, _OUTSIDE)
        return np.array([[self._legal(a, b) for b in edged] for a in edged])

    def _begins(self, a: tuple[str, str], b: tuple[str, str]) -> bool:
        (role_a, type_a), (role_b, type_b) = a, b
        if role_b == "O":
            return False
        if role_b == "T":  # neighbours share a span only where an O could have parted them
            return a != b or "O" not in self.labels
        return role_b in "BS" or role_a in "OES" or type_a != type_b

    def _legal(self, a: tuple[str, str], b: tuple[str, str]) -> bool:
        (role_a, type_a), (role_b, type_b) = a, b
        same = type_a == type_b
        if self.name in ("iob1", "plain"):
            return role_b != "B" or (same and role_a in "BI")
        if self.name == "iob2":
            return role_b != "I" or (same and role_a in "BI")
        if role_a in "BI":  # an open span goes on until its E
            return same and role_b in "IE"
        return role_b in "BSO"


def _split(label: str) -> tuple[str, str]:
    """Prefix and type of a label such as B-PER, B_PER or B."""
    if len(label) > 1 and label[1] in "-_":
        return label[0], label[2:]
    return (label, "") if len(label) == 1 else ("", label)


def _find(labels: Sequence[str]) -> str:
    pairs = [_split(label) for label in labels if label != "O"]
    typed = [(prefix, kind) for prefix, kind in pairs if prefix and kind]
    if len({kind for _, kind in typed}) < len(typed):  # a type has two roles: no chance likeness
        pairs = typed  # what has no type beside them (X, [CLS], PAD) is outside, as in `parts`
    prefixes = {prefix for prefix, _ in pairs}
    if prefixes <= {"B", "I"} and prefixes:
        begun = {kind for prefix, kind in pairs if prefix == "B"}
        inside = {kind for prefix, kind in pairs if prefix == "I"}
        return "iob2" if inside <= begun else "iob1"  # only IOB1 can do without a B-
    for name in ("bmes", "iobes", "bilou"):
        if prefixes <= set(_ROLES[name]) and {"S", "U"} & prefixes:
            return name
    return "plain"
