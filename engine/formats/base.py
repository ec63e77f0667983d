"""What a format is: bytes to records, and labelled records back to bytes."""

import re
from typing import Protocol

from ..types import Block, LabelledBlock, Record


class Parser(Protocol):
    """Parses the records of blocks."""

    def parse(self, block: Block) -> list[Record]:
        """All records of a block in order; a bad one carries its error and is never dropped."""
        ...


class Reader(Parser, Protocol):
    """Cuts bytes into records and parses them."""

    @property
    def end(self) -> re.Pattern[bytes]:
        """What ends a record, however long it is."""
        ...

    def cut(self, buffer: bytes | bytearray) -> int:
        """The length of the longest head of `buffer` that holds whole records only; 0 if none."""
        ...


class Writer(Protocol):
    """Turns labelled records into output bytes."""

    def render(self, block: LabelledBlock) -> bytes:
        """The output of a block: one piece a record, in order."""
        ...
