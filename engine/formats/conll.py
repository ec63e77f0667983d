"""CoNLL: a token a row, first column; a sentence ends at a blank line.

A record is the sentence up to and with its blank line, and whatever stands before it: comments,
-DOCSTART- lines, more blank lines. Records joined are therefore the input, byte for byte.
"""

import io
import re
from collections.abc import Iterator

from ..types import Block, LabelledBlock, Record
from .annotations import tags
from .text import not_utf8, refuse_too_long, utf8

_DOCSTART = b"-DOCSTART-"
_BLANK_LINE = re.compile(rb"\n[ \t\r\v\f]*\n")
_IN_WORD = re.compile(r"\s")


class ConllReader:
    """Rows of columns parted by tabs, or by spaces where a row has no tab."""

    end = _BLANK_LINE

    def cut(self, buffer: bytes | bytearray) -> int:
        end = buffer.rfind(b"\n") + 1
        while end:
            # Backwards: a blank line ends a record if the paragraph before it ends in a row.
            start = buffer.rfind(b"\n", 0, end - 1) + 1
            if not buffer[start:end].strip() and _ends_in_row(buffer, start):
                return end
            end = start
        return 0

    def parse(self, block: Block) -> list[Record]:
        if block.too_long:
            return [refuse_too_long(block)]
        records = []
        line, offset = block.line, block.offset
        for part, flags in sentences(block.data):
            raw = b"".join(part)
            record = Record(raw, line, offset)
            _take(record, part, flags)
            records.append(record)
            line, offset = line + len(part), offset + len(raw)
        return records


class ConllTagger:
    """Adds the predicted tag to CoNLL input as one more last column; all else stays as it is."""

    def render(self, block: LabelledBlock) -> bytes:
        out: list[bytes] = []
        for record, labels in zip(block.records, tags(block), strict=True):
            tag = iter(labels)
            for part, flags in sentences(record.raw):
                for line, is_row in zip(part, flags, strict=True):
                    if is_row:
                        content = line.rstrip(b"\r\n")
                        space = b"\t" if b"\t" in content else b" "
                        out += (content, space, next(tag).encode(), line[len(content) :])
                    else:
                        out.append(line)
            if not record.raw.endswith(b"\n"):
                out.append(b"\n")
        return b"".join(out)


class ConllWriter:
    """Writes input of other formats as rows of word and tag, a blank line after each document."""

    def render(self, block: LabelledBlock) -> bytes:
        starts = block.encoded.word_start.tolist()
        ends = block.encoded.word_end.tolist()
        out = []
        word = 0
        for record, labels in zip(block.records, tags(block), strict=True):
            for tag in labels:
                if record.tokens is not None:
                    token = record.tokens[starts[word]]
                else:
                    token = record.text[starts[word] : ends[word]]  # type: ignore[index]
                # White space within a given token, or an empty one, would shift the columns.
                out.append(f"{_IN_WORD.sub('_', token) or '_'} {tag}\n")
                word += 1
            out.append("\n")
        return utf8("".join(out))


def end_sentence(rows: bytes) -> bytes:
    """The rows with the blank line that the last of them lacks, so that more may follow."""
    last_line = rows[rows.rfind(b"\n", 0, -1) + 1 :]
    return rows + b"\n" if last_line.strip() else rows


def columns(line: bytes) -> list[bytes]:
    """The columns of a row."""
    if b"\t" in line:
        return line.rstrip(b"\r\n").split(b"\t")
    return line.split()


def sentences(data: bytes) -> Iterator[tuple[list[bytes], list[bool]]]:
    """The lines of each record, and which of them are rows."""
    part: list[bytes] = []
    flags: list[bool] = []
    paragraph: list[bytes] = []  # lines since a blank one or -DOCSTART-, not yet in `part`
    for line in io.BytesIO(data):
        blank = not line.strip()
        if not blank and not line.startswith(_DOCSTART):
            paragraph.append(line)
            continue
        new = _rows(paragraph)
        part += paragraph
        flags += new
        paragraph = []
        if True not in new:
            part.append(line)
            flags.append(False)
        elif blank:
            yield [*part, line], [*flags, False]
            part, flags = [], []
        else:
            yield part, flags
            part, flags = [line], [False]
    if part or paragraph:
        yield part + paragraph, flags + _rows(paragraph)


def _rows(paragraph: list[bytes]) -> list[bool]:
    """Which lines of a paragraph are rows.

    A line that begins with `#` is a comment unless it has the columns of the first plain row.
    """
    doubtful = [
        i for i, line in enumerate(paragraph) if line.startswith(b"#") and _like_comment(line)
    ]
    flags = [True] * len(paragraph)
    for i in doubtful:
        flags[i] = False
    if doubtful and True in flags:
        form = _form(paragraph[flags.index(True)])
        for i in doubtful:
            flags[i] = _form(paragraph[i]) == form
    return flags


def _form(line: bytes) -> tuple[bool, int]:
    """Whether tabs part the columns of a row, and how many there are."""
    return b"\t" in line, len(columns(line))


def _like_comment(line: bytes) -> bool:
    return line.startswith(b"# ") or len(columns(line)) == 1


def _ends_in_row(buffer: bytes | bytearray, end: int) -> bool:
    """Whether the paragraph that ends at `end` holds a row after its last -DOCSTART- line."""
    part: list[bytes] = []
    while end:
        start = buffer.rfind(b"\n", 0, end - 1) + 1
        line = bytes(buffer[start:end])
        if not line.strip() or line.startswith(_DOCSTART):
            break
        if not line.startswith(b"#"):
            return True
        part.append(line)
        end = start
    return True in _rows(part)


def _take(record: Record, part: list[bytes], flags: list[bool]) -> None:
    """Sets the tokens of a record, or the reason why it has none."""
    rows = [columns(line) for line, is_row in zip(part, flags, strict=True) if is_row]
    tokens = [row[0] for row in rows]
    if len({len(row) for row in rows}) > 1 or b"" in tokens:
        numbers = [number for number, is_row in enumerate(flags, record.line) if is_row]
        record.error = _bad_row(rows, numbers)
        return
    try:
        record.tokens = b"\n".join(tokens).decode().split("\n") if tokens else []
    except UnicodeDecodeError:
        record.error = _find_not_utf8(record)


def _bad_row(rows: list[list[bytes]], numbers: list[int]) -> str:
    """What is wrong with the first bad row of a sentence; `numbers` are the lines of the rows."""
    width = len(rows[0])
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != width:
            return (
                f"line {number} has {len(row)} columns, the sentence's first row (line "
                f"{numbers[0]}) has {width}; all rows of a sentence must have as many"
            )
        if not row[0]:
            return f"line {number} has nothing in its first column; expected a token"
    raise AssertionError("there is no bad row")


def _find_not_utf8(record: Record) -> str:
    try:
        record.raw.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error, record.offset)
    raise AssertionError("a token that is not UTF-8 stands in no bytes that are")
