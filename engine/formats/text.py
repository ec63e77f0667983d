"""Plain text: a document a line, and the line-wise reading that JSONL shares.

Lines end at `\\n` alone, so U+2028 and a lone `\\r` are text; a `\\r` before the `\\n` is not.
"""

import io
import re
from collections.abc import Iterator

from ..types import Block, Record

LINE_END = re.compile(rb"\n")


class TextReader:
    """Every line is a document, a blank one too."""

    end = LINE_END

    def cut(self, buffer: bytes | bytearray) -> int:
        return buffer.rfind(b"\n") + 1

    def parse(self, block: Block) -> list[Record]:
        if block.too_long:
            return [refuse_too_long(block)]
        records = list(lines(block))
        for record in records:
            content = record.raw.removesuffix(b"\n").removesuffix(b"\r")
            try:
                record.text = content.decode()
            except UnicodeDecodeError as error:
                record.error = not_utf8(error, record.offset)
        return records


def lines(block: Block) -> Iterator[Record]:
    """A record a line, with nothing but its bytes and where they stand."""
    offset = block.offset
    for number, raw in enumerate(io.BytesIO(block.data), block.line):
        yield Record(raw, number, offset)
        offset += len(raw)


def refuse_too_long(block: Block) -> Record:
    """The one record of a block of which only the head was kept."""
    reason = f"the record has {block.too_long:,} bytes, more than is held in memory; split it"
    return Record(block.data, block.line, block.offset, error=reason)


def not_utf8(error: UnicodeDecodeError, offset: int) -> str:
    """Why bytes that begin at `offset` of the input cannot be decoded."""
    return (
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start + 1} of the "
        f"record, offset {offset + error.start} of the input; convert the input to UTF-8"
    )


def utf8(text: str) -> bytes:
    """UTF-8, with U+FFFD for the unpaired surrogates that it cannot hold."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
