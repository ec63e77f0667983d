"""What a file holds, told by its first bytes where its name does not tell."""

import os
import re

from ..errors import ConfigError
from .conll import BLANK_LINE, Rows, columns
from .conllu import WIDTH
from .registry import unpacked_name

_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_OBJECT = re.compile(rb'\s*\{\s*["}]')
_ARRAY = re.compile(rb'\s*\[\s*\{\s*["}]')
_TAG = re.compile(rb"O|[BIESLUM](-\S+)?")
_NO_WORD = re.compile(rb"\d+[-.]\d+")  # the ID of a multiword token or empty node
_FIRST_ID = re.compile(rb"1(-\d+)?|0\.1")  # of a sentence in CoNLL-U

# What may go on as rows of tokens and tags, and comments: more of it tells more.
_MAY_BE_ROWS = re.compile(
    rb"(\s*\n)?((#[^\n]*|-DOCSTART-[^\n]*|(?!#|-DOCSTART-)[^\n]*[ \t](O|[BIESLUM](-\S+)?)\s*?)\n)*"
    rb"[^\n]*"
)


def is_short(head: bytes) -> bool:
    """Whether the first bytes of a pipe do not yet tell its format."""
    return _MAY_BE_ROWS.fullmatch(head) is not None


def sniff(path: str, head: bytes, *, piped: bool) -> str:
    """One of `FORMATS`, by the first bytes of an input and the suffix, if that tells anything.

    piped: whether there is no more than `head`, and no name that would tell anything

    Raises:
        ConfigError: it is in doubt.
    """
    if kind := next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None):
        return kind
    head = head.lstrip(b"\r\n")
    if _OBJECT.match(head):
        return "jsonl"
    if _ARRAY.match(head):
        raise ConfigError(
            f"{path} holds a JSON array; what is read is an object a line, as `jq -c '.[]'` makes"
            " them. If it is text, say --format text"
        )
    lines = _lines(BLANK_LINE.split(head, 1)[0] if piped else head)
    rows = [columns(line) for line in lines]
    if rows and len(rows[0]) == WIDTH and _FIRST_ID.fullmatch(rows[0][0]):
        return "conllu"
    if head.startswith(b"-DOCSTART-") or _are_tagged(rows):
        return "conll"
    if piped or not _is_table(os.path.splitext(unpacked_name(path))[1], lines):
        return "text"
    if _are_sentences(head, rows):
        return "conll"
    raise ConfigError(
        f"{path} has columns, and which holds what is in doubt; say --format conll if each row is a"
        " token, --format text if each line is a document, or make it JSONL"
    )


def refuse_numbers(path: str, head: bytes) -> None:
    """Refuses CoNLL whose first column counts the tokens of each sentence.

    Raises:
        ConfigError: the message says what reads it.
    """
    parts = BLANK_LINE.split(head)
    found = [
        [row for row in map(columns, _lines(part)) if not _NO_WORD.fullmatch(row[0])]
        for part in parts[:-1] or parts  # the last one may be cut off
    ]
    counted = all(
        row[0] == b"%d" % number and len(row) > 1
        for rows in found
        for number, row in enumerate(rows, 1)
    )
    if counted and max(map(len, found)) > 1:
        raise ConfigError(
            f"{path}: the first column counts the tokens of each sentence; say --token-column 2 if"
            " they stand in the second, --format conllu if it is CoNLL-U, --token-column 1 if"
            " those are the tokens"
        )


def _lines(head: bytes) -> list[bytes]:
    """The lines that may be rows."""
    lines = (line for line in head.split(b"\n") if line.strip())
    return [line for line in lines if not line.startswith((b"#", b"-DOCSTART-"))]


def _are_tagged(rows: Rows) -> bool:
    """Whether all rows end in a tag as a named entity or a part of a word has it.

    A few lines of text may: "Part I", or "S-Bahn" and "U-Bahn".
    """
    if len(rows) < 2 or len(rows[0]) < 2 or len({len(row) for row in rows}) > 1:
        return False
    if not all(_TAG.fullmatch(row[-1]) for row in rows):
        return False
    outside = any(row[-1] == b"O" for row in rows)
    return outside or all(len(row[0].decode(errors="replace")) == 1 for row in rows)


def _is_table(suffix: str, lines: list[bytes]) -> bool:
    """Whether a file says that it has columns: by its name or, where that says nothing, by tabs."""
    if suffix:
        return suffix in (".tsv", ".csv") and bool(lines)
    tabs = {line.count(b"\t") for line in lines}
    return len(tabs) == 1 and tabs != {0}


def _are_sentences(head: bytes, rows: Rows) -> bool:
    """Whether rows are of tokens, by the blank lines between them; cells of text have spaces."""
    if not BLANK_LINE.search(head.rstrip()) or len({len(row) for row in rows}) > 1:
        return False
    return not any(b" " in cell for row in rows for cell in row)
