"""CoNLL: a token a row, in the first column or another; a sentence ends at a blank line.

A record is the sentence up to and with its blank line, and whatever stands before it: comments,
-DOCSTART- lines, more blank lines. Records joined are therefore the input, byte for byte.
"""

import io
import re
from collections.abc import Callable, Iterator

from ..types import Block, LabelledBlock, Record
from .annotations import tags
from .text import not_utf8, refuse_too_long, utf8

BLANK_LINE = re.compile(rb"\n[ \t\r\v\f]*\n")
_DOCSTART = b"-DOCSTART-"
_NOTE = re.compile(rb"# [a-z]+\s*$")  # as "# newdoc"; a tag is not in small letters
_IN_WORD = re.compile(r"\s")

Rows = list[list[bytes]]  # of a sentence, in columns


class ConllReader:
    """Rows of columns parted by tabs, or by spaces where a row has no tab.

    column: that of the token, from 0
    """

    end = BLANK_LINE

    def __init__(self, column: int = 0) -> None:
        self._column = column

    def cut(self, buffer: bytes | bytearray) -> int:
        return cut_sentences(buffer)

    def parse(self, block: Block) -> list[Record]:
        return parse_sentences(block, self._tokens)

    def _tokens(self, rows: Rows, numbers: list[int]) -> list[bytes]:
        column = self._column
        if len({len(row) for row in rows}) > 1 or len(rows[0]) <= column:
            raise ValueError(_bad_width(rows, numbers, column))
        tokens = [row[column] for row in rows]
        if b"" in tokens:
            where = f"column {column + 1}" if column else "its first column"
            number = numbers[tokens.index(b"")]
            raise ValueError(f"line {number} has nothing in {where}; expected a token")
        return tokens


class ConllTagger:
    """Adds the predicted tag to CoNLL input as one more last column; all else stays as it is."""

    def render(self, block: LabelledBlock) -> bytes:
        return render_rows(block, _add_column)


def _add_column(row: bytes, tag: Iterator[str]) -> bytes:
    return row + (b"\t" if b"\t" in row else b" ") + next(tag).encode()


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


def cut_sentences(buffer: bytes | bytearray) -> int:
    """The length of the longest head of `buffer` that holds whole sentences only."""
    end = buffer.rfind(b"\n") + 1
    while end:
        # Backwards: a blank line ends a record if the paragraph before it ends in a row.
        start = buffer.rfind(b"\n", 0, end - 1) + 1
        if not buffer[start:end].strip() and _ends_in_row(buffer, start):
            return end
        end = start
    return 0


def parse_sentences(
    block: Block, tokens_of: Callable[[Rows, list[int]], list[bytes]]
) -> list[Record]:
    """The records of a block.

    tokens_of: from the rows of a sentence and the numbers of their lines to its tokens, or a
        ValueError with the reason why it has none
    """
    if block.too_long:
        return [refuse_too_long(block)]
    records = []
    line, offset = block.line, block.offset
    for part, flags in sentences(block.data):
        raw = b"".join(part)
        record = Record(raw, line, offset)
        rows = [columns(row) for row, is_row in zip(part, flags, strict=True) if is_row]
        numbers = [number for number, is_row in enumerate(flags, line) if is_row]
        try:
            tokens = tokens_of(rows, numbers) if rows else []
            record.tokens = b"\n".join(tokens).decode().split("\n") if tokens else []
        except UnicodeDecodeError:
            record.error = _find_not_utf8(record)
        except ValueError as error:
            record.error = str(error)
        records.append(record)
        line, offset = line + len(part), offset + len(raw)
    return records


def render_rows(block: LabelledBlock, write: Callable[[bytes, Iterator[str]], bytes]) -> bytes:
    """The input of a block with its rows written anew, and a line's end where the last had none.

    write: from a row without its line's end, and the tags of the tokens from there on, of which
        it takes those that it needs
    """
    out: list[bytes] = []
    for record, labels in zip(block.records, tags(block), strict=True):
        tag = iter(labels)
        for part, flags in sentences(record.raw):
            for line, is_row in zip(part, flags, strict=True):
                if is_row:
                    row = line.rstrip(b"\r\n")
                    out += (write(row, tag), line[len(row) :])
                else:
                    out.append(line)
        if not record.raw.endswith(b"\n"):
            out.append(b"\n")
    return b"".join(out)


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

    A line that begins with `#` is a comment unless it has the columns of the first plain row. It
    is one too if it is a lone word above that row, as `# newdoc`, which looks like two columns.
    """
    flags = [not (line.startswith(b"#") and _like_comment(line)) for line in paragraph]
    plain = [i for i, line in enumerate(paragraph) if not line.startswith(b"#")]
    if len(plain) == len(paragraph) or True not in flags:
        return flags
    first = plain[0] if plain else flags.index(True)
    tabs, width = _form(paragraph[first])
    for i, line in enumerate(paragraph):
        if line.startswith(b"#"):
            if _form(line) == (tabs, width):
                flags[i] = not (i < first and _NOTE.match(line))
            elif tabs and b"\t" not in line:
                flags[i] = False
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


def _bad_width(rows: Rows, numbers: list[int], column: int) -> str:
    """What is wrong with the first row that has not the columns it should have."""
    width = len(rows[0])
    if width <= column:
        return f"line {numbers[0]} has {width} columns; expected a token in column {column + 1}"
    number, found = next(
        (number, len(row)) for row, number in zip(rows, numbers, strict=True) if len(row) != width
    )
    return (
        f"line {number} has {found} columns, the sentence's first row (line {numbers[0]}) has"
        f" {width}; all rows of a sentence must have as many"
    )


def _find_not_utf8(record: Record) -> str:
    try:
        record.raw.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error, record.offset)
    raise AssertionError("a token that is not UTF-8 stands in no bytes that are")
