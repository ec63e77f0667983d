"""What a format is: bytes to records, and labelled records back to bytes."""

from typing import Protocol

from ..types import Block, LabelledBlock, Record, RecordEnds


class Parser(Protocol):
    """Parses the records of blocks."""

    def parse(self, block: Block) -> list[Record]:
        """All records of a block in order; a bad one carries its error and is never dropped."""
        ...


class Reader(RecordEnds, Parser, Protocol):
    """Cuts bytes into records and parses them."""


class Writer(Protocol):
    """Turns labelled records into output bytes."""

    def render(self, block: LabelledBlock) -> bytes:
        """The output of a block: one piece a record, in order."""
        ...
