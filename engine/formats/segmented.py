"""Segmented text: a document a line, its words joined by one space."""

from ..types import LabelledBlock
from .annotations import words
from .text import utf8

_LINE_BREAKS = str.maketrans("\r\n", "  ")


class WordsWriter:
    """Writes the words of each document; white space of the text between them is dropped."""

    def render(self, block: LabelledBlock) -> bytes:
        rows = [" ".join([word for word in found if not word.isspace()]) for found in words(block)]
        return utf8("".join([row.translate(_LINE_BREAKS) + "\n" for row in rows]))
