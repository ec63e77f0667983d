"""Labelled text for people at a terminal: entities in colour, or in brackets."""

import re
from itertools import accumulate

from ..types import LabelledBlock, Record
from .annotations import span_bounds, span_ranges, words
from .text import utf8

# Backgrounds of the xterm palette on which black can be read.
_COLOURS = (153, 223, 157, 183, 217, 159, 229, 252)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # terminals obey


class PrettyWriter:
    """A document a line, with its entities marked; of segmented text, the words."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def render(self, block: LabelledBlock) -> bytes:
        if block.segmentation:
            rows = [_safe(" ".join(filter(str.strip, found))) for found in words(block)]
        else:
            rows = self._marked(block)
        return utf8("".join([row + "\n" for row in rows]))

    def _marked(self, block: LabelledBlock) -> list[str]:
        starts, ends = span_bounds(block)
        kinds = block.spans.label.tolist()
        rows = []
        for record, (first, end) in zip(block.records, span_ranges(block), strict=True):
            text, begins = _text(record)
            pieces = []
            at = 0
            for i in range(first, end):
                start, stop = starts[i], ends[i]
                if begins is not None:  # they count tokens
                    start, stop = begins[start], begins[stop] - 1
                pieces.append(_safe(text[at:start]))
                pieces.append(self._mark(text[start:stop], block.types[kinds[i]], kinds[i]))
                at = stop
            rows.append("".join([*pieces, _safe(text[at:])]))
        return rows

    def _mark(self, name: str, kind: str, number: int) -> str:
        name, kind = _safe(name), _safe(kind)
        if not self._colour:
            return f"[{name} {kind}]"
        colour = _COLOURS[number % len(_COLOURS)]
        return f"\x1b[38;5;16;48;5;{colour}m {name} \x1b[1m{kind} \x1b[0m"


def _text(record: Record) -> tuple[str, list[int] | None]:
    """The text of a record; for given tokens, joined by a space, also where each begins."""
    if record.tokens is None:
        assert record.text is not None
        return record.text, None
    ends = accumulate(len(token) + 1 for token in record.tokens)
    return " ".join(record.tokens), [0, *ends]


def _safe(text: str) -> str:
    """The text without what would move the cursor, or turn the text that follows."""
    return _CONTROL.sub("\ufffd", text)
