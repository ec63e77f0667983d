"""Labelled text for people at a terminal: entities in colour, or in brackets."""

import re

from ..types import LabelledBlock
from .annotations import documents, words
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
        numbers = {kind: number for number, kind in enumerate(block.types)}
        rows = []
        for doc in documents(block):
            pieces = []
            at = 0
            for first, last, kind in doc.spans:
                start, end = doc.starts[first], doc.ends[last]
                pieces.append(_safe(doc.text[at:start]))
                pieces.append(self._mark(doc.text[start:end], kind, numbers[kind]))
                at = end
            rows.append("".join([*pieces, _safe(doc.text[at:])]))
        return rows

    def _mark(self, name: str, kind: str, number: int) -> str:
        name, kind = _safe(name), _safe(kind)
        if not self._colour:
            return f"[{name} {kind}]"
        colour = _COLOURS[number % len(_COLOURS)]
        return f"\x1b[38;5;16;48;5;{colour}m {name} \x1b[1m{kind} \x1b[0m"


def _safe(text: str) -> str:
    """The text without what would move the cursor, or turn the text that follows."""
    return _CONTROL.sub("\ufffd", text)
