"""CoNLL-U: ten columns with the token in the second, and its named entity tag in MISC, the last.

The tag is the value of `ner`, as Stanza reads and writes it. Multiword tokens (1-2) and empty nodes
(1.1) are no words: the words that they stand for, or beside, have rows of their own.
Source: https://universaldependencies.org/format.html
"""

import re
from collections.abc import Iterator

from ..types import Block, LabelledBlock, Record
from .conll import BLANK_LINE, Rows, columns, cut_sentences, parse_sentences, render_rows, sentences

KEY = b"ner="
WIDTH = 10
_ID = re.compile(rb"\d+([-.]\d+)?")


class ConlluReader:
    """Sentences of words; comments, multiword tokens and empty nodes are skipped."""

    end = BLANK_LINE

    def cut(self, buffer: bytes | bytearray) -> int:
        return cut_sentences(buffer)

    def parse(self, block: Block) -> list[Record]:
        return parse_sentences(block, _tokens)


class ConlluTagger:
    """Sets `ner` in the MISC of each word; all else stays as it is."""

    def render(self, block: LabelledBlock) -> bytes:
        return render_rows(block, _set_tag)


def find_tags(raw: bytes) -> list[str | None]:
    """What MISC says of each word of a sentence, None where it names no tag."""
    found: list[str | None] = []
    for part, flags in sentences(raw):
        for line, is_row in zip(part, flags, strict=True):
            if is_row and (row := columns(line))[0].isdigit():
                items = row[-1].split(b"|")
                tags = [item[len(KEY) :].decode() for item in items if item.startswith(KEY)]
                found.append(tags[0] if tags else None)
    return found


def _tokens(rows: Rows, numbers: list[int]) -> list[bytes]:
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != WIDTH:
            found = f"{len(row)} columns"
            raise ValueError(f"line {number} has {found}; CoNLL-U has {WIDTH}, parted by tabs")
        if not _ID.fullmatch(row[0]):
            found = row[0].decode(errors="replace")
            raise ValueError(f"line {number} has the ID {found!r}; expected one as 1, 1-2 or 1.1")
        if not row[1]:
            raise ValueError(f"line {number} has nothing in its second column; expected a token")
    return [row[1] for row in rows if row[0].isdigit()]


def _set_tag(row: bytes, tag: Iterator[str]) -> bytes:
    """
    >>> _set_tag(b"2-3\\tim\\t_", iter(["O"]))
    b'2-3\\tim\\t_'
    >>> _set_tag(b"2\\tBonn\\tSpaceAfter=No", iter(["B-LOC"]))
    b'2\\tBonn\\tSpaceAfter=No|ner=B-LOC'
    """
    number, *between, misc = row.split(b"\t")
    if not number.isdigit():
        return row
    kept = [item for item in misc.split(b"|") if item != b"_" and not item.startswith(KEY)]
    return b"\t".join([number, *between, b"|".join([*kept, KEY + next(tag).encode()])])
