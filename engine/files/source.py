"""An input (a file, plain or .gz or .zst, or stdin) as blocks of whole records, in bounded memory.

A byte order mark at the very start belongs to no record: the first record begins at offset 3.
Blocks depend on the bytes and the sizes alone, never on how reads fall, with one exception: when a
pipe goes quiet, the whole records read so far are handed on at once.
"""

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain

from ..errors import InputError
from ..types import Block, RecordEnds
from .local import LocalFile, reason
from .packing import MAGIC, packing_of, unpack
from .remote import RemoteFile, is_url

MAX_RECORD_BYTES = 16 << 20
QUIET_MS = 50  # a pipe that sends nothing for so long has gone quiet
PATIENCE_S = 0.2  # a pipe that drips is waited for so long
HEAD_BYTES = 1 << 16  # kept of a record that is too long, and looked at to tell a format

_BOM = b"\xef\xbb\xbf"
_READ_BYTES = 1 << 20
_PACKED_BYTES = 1 << 16  # read at once from a compressed file
_OVERLAP = 1 << 10  # an end of record is found whole if it is no longer than this


def read_blocks(
    path: str,
    reader: RecordEnds,
    block_bytes: int,
    max_record_bytes: int = MAX_RECORD_BYTES,
    start: int = 0,
    first_line: int = 1,
) -> Iterator[Block]:
    """All blocks of the input at `path` (`-` is stdin); see `Source.blocks`."""
    with Source(path) as source:
        yield from source.blocks(reader, block_bytes, max_record_bytes, start, first_line)


class Source(AbstractContextManager["Source"]):
    """An open input.

    Raises:
        InputError: there is no such file, it cannot be read, or it is a directory.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = "stdin" if path == "-" else path
        self._file = RemoteFile(path) if is_url(path) else LocalFile(path)
        self.size = self._file.size  # bytes, as stored; None for a pipe
        self.read_bytes = 0  # of `size`, so far
        self._buffer = bytearray()
        self._ended = False
        self._end: int | None = None  # of what is to be read, as stored
        suffix = os.path.splitext(path)[1].lower()
        self._packing = suffix if suffix in MAGIC else ""
        if self.size and not self._packing:
            self._packing = packing_of(self._take(4))
            self._file.seek(0)
        self._pieces = self._unpacked()
        self._poll = None
        if isinstance(self._file, LocalFile) and self.size is None and not self._packing:
            self._poll = select.poll()
            self._poll.register(self._file.descriptor, select.POLLIN)

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def peek(self, is_short: Callable[[bytes], bool]) -> bytes:
        """The first bytes, which stay to be read: all, or whole lines if there are more.

        is_short: whether so many do not do yet
        """
        while True:
            head = bytes(self._buffer[:HEAD_BYTES].removeprefix(_BOM))
            if len(self._buffer) >= HEAD_BYTES:
                return head[: head.rfind(b"\n") + 1] or head
            if self._ended or not is_short(head):
                return head
            self._read()

    def part(self, reader: RecordEnds, number: int, count: int) -> tuple[int, int]:
        """First byte and end of one of `count` parts of the input, each of whole records.

        Raises:
            InputError: the input is compressed or a pipe, which cannot be cut.
        """
        if self.size is None or self._packing:
            kind = "compressed" if self._packing else "a pipe"
            raise InputError(
                f"{self.name} is {kind}, it cannot be cut into {count} shards; unpack it, or give"
                " as many inputs as there are shards"
            )
        at = [self._next_record(reader, self.size * k // count) for k in (number, number + 1)]
        self._file.seek(0)
        return at[0], at[1]

    def _next_record(self, reader: RecordEnds, position: int) -> int:
        """Where the first record begins at or after a position; all shards find the same one."""
        assert self.size is not None
        if position in (0, self.size):
            return position
        head = max(position - _OVERLAP, 0)
        self._file.seek(head)
        buffer = b""
        while piece := self._take(_READ_BYTES):
            buffer += piece
            for found in reader.end.finditer(buffer):
                if head + found.end() >= position:
                    return head + found.end()
        return self.size

    def blocks(
        self,
        reader: RecordEnds,
        block_bytes: int,
        max_record_bytes: int = MAX_RECORD_BYTES,
        start: int = 0,
        first_line: int = 1,
        end: int | None = None,
    ) -> Iterator[Block]:
        """Runs of whole records of up to `block_bytes`, from byte `start` of the unpacked input.

        It ends with the input, or at the end of a part.

        Where the first record is longer, a block has up to twice as many bytes, and so on. A record
        over `max_record_bytes` is a block of its own, of which only the head is kept.

        Raises:
            InputError: the input cannot be read or unpacked, or ends before `start`.
        """
        self._end = end
        offset, line = self._skip(start), first_line
        least = size = min(block_bytes, max_record_bytes)
        while True:
            self._fill(size)
            with memoryview(self._buffer)[:size] as view:
                head = bytes(view)
            if not head:
                return
            last = self._ended and len(self._buffer) == len(head)
            whole = len(head) if last else reader.cut(head)  # the last record may lack its end
            if whole:
                del self._buffer[:whole]
                lines = head.count(b"\n", 0, whole)
                yield Block(head[:whole], line, offset, lines=lines)
                line, offset = line + lines, offset + whole
            elif len(head) < size:  # a pipe that went quiet within a record
                self._read()
                continue
            elif size < max_record_bytes:
                size = min(2 * size, max_record_bytes)
                continue
            else:
                lines, length = self._drop_record(reader, max_record_bytes)
                yield Block(head[:HEAD_BYTES], line, offset, too_long=length, lines=lines)
                line, offset = line + lines, offset + length
            size = least

    def _take(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {reason(error)}") from None

    def _stored(self) -> Iterator[bytes]:
        """The bytes as they are stored."""
        while True:
            step = _PACKED_BYTES if self._packing else _READ_BYTES
            if self._end is not None:
                step = min(step, self._end - self.read_bytes)
            piece = self._take(step)
            if not piece:
                return
            self.read_bytes += len(piece)
            yield piece

    def _unpacked(self) -> Iterator[bytes]:
        stored = self._stored()
        if self.size is None and not self._packing:
            head = b""
            for piece in stored:
                head += piece
                if not any(magic.startswith(head) for magic in MAGIC.values()):
                    break
            self._packing = packing_of(head)
            stored = chain([head], stored)
        if not self._packing:
            yield from stored
            return
        self._poll = None  # what has been read says nothing of what is unpacked
        yield from unpack(self._packing, stored, self.name)

    def _read(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._ended = True
        else:
            self._buffer += piece

    def _fill(self, size: int) -> None:
        """Reads until the buffer holds `size` bytes, the input ends, or the pipe goes quiet."""
        began = 0.0
        while len(self._buffer) < size and not self._ended:
            if self._poll and self._buffer:
                began = began or time.monotonic()
                late = time.monotonic() > began + PATIENCE_S
                if not self._poll.poll(0 if late else QUIET_MS):
                    return
            self._read()

    def _skip(self, start: int) -> int:
        """Drops what lies before `start`, or before the first record; returns its offset."""
        if start and self.size is not None and not self._packing and not self.read_bytes:
            if start > self.size:
                raise InputError(f"{self.name} has {self.size} bytes; cannot go on at byte {start}")
            self._file.seek(start)
            self.read_bytes = start
            return start
        if not start:
            while len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
                if self._ended:
                    return 0
                self._read()
            start = len(_BOM) if self._buffer.startswith(_BOM) else 0
        left = start
        while left > len(self._buffer):
            left -= len(self._buffer)
            self._buffer.clear()
            if self._ended:
                end = start - left
                raise InputError(f"{self.name} has {end} bytes; cannot go on at byte {start}")
            self._read()
        del self._buffer[:left]
        return start

    def _drop_record(self, reader: RecordEnds, least: int) -> tuple[int, int]:
        """Drops the record at the front, which is longer than `least`: its lines and bytes.

        Of `b"a long first line\\nsecond\\n"` and 5 it drops 18 bytes, and leaves `b"second\\n"`.
        """
        lines = length = 0
        while True:
            found = reader.end.search(self._buffer, max(least - length - _OVERLAP, 0))
            while found and length + found.end() <= least:
                found = reader.end.search(self._buffer, found.start() + 1)
            keep = 0 if self._ended else _OVERLAP
            drop = found.end() if found else max(len(self._buffer) - keep, 0)
            lines += self._buffer.count(b"\n", 0, drop)
            length += drop
            del self._buffer[:drop]
            if found or self._ended:
                return lines, length
            self._read()
