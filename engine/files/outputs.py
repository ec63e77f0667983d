"""Where a run writes: one output for all inputs, or one for each of them in a folder."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Union

from ..errors import ConfigError
from .remote import is_url
from .sink import Sink, is_file

if TYPE_CHECKING:
    from .tables import TableSink


class Outputs:
    """The outputs of a run; each gets its name when it is whole.

    paths: the output of each input; all may be the same
    tables: which kind of table each output is, "parquet" or "arrow"; None for lines
    start: number of the input to begin with, and the bytes of its output that an earlier run has
        written; None for a new output

    Raises:
        ConfigError: an output cannot be created or resumed.
    """

    def __init__(
        self, paths: Sequence[str], tables: Sequence[str | None], start: tuple[int, int | None]
    ) -> None:
        self._paths = paths
        self._tables = tables
        self._number, size = start
        self._sink = self._open(size)

    def turn_to(self, number: int) -> Union[Sink, "TableSink"]:
        """The output of an input; those of the inputs before it are ended."""
        while self._number < number:
            self._number += 1
            if self._paths[self._number] != self._sink.path:
                self._sink.close()
                self._sink = self._open(None)
        return self._sink

    def is_shared_with_next(self, number: int) -> bool:
        """Whether what comes of the next input follows in the same output."""
        return self._paths[number] in self._paths[number + 1 : number + 2]

    def _open(self, size: int | None) -> Union[Sink, "TableSink"]:
        path, kind = self._paths[self._number], self._tables[self._number]
        if kind is None:
            return Sink(path, force=True, resume_at=size)
        from .tables import TableSink

        return TableSink(path, kind)

    def close(self) -> None:
        """Ends all outputs."""
        self.turn_to(len(self._paths) - 1).close()

    def abandon(self) -> None:
        """Closes the output that is not whole; its `.part` file stays."""
        self._sink.abandon()


def name_outputs(
    folder: str, inputs: Sequence[str], suffixes: Sequence[str | None], shard: str = ""
) -> list[str]:
    """A file in `folder` for each input: the input's name, with its new suffix if there is one.

    The folders below the one that holds all inputs are made again.

    shard: what tells apart the outputs of an input's parts

    Raises:
        ConfigError: two inputs would share an output.
    """
    paths: dict[str, str] = {}
    above = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in inputs])
    for path, suffix in zip(inputs, suffixes, strict=True):
        name, packing = os.path.relpath(os.path.abspath(path), above), ""
        if name.lower().endswith((".gz", ".zst")):
            name, packing = os.path.splitext(name)
        if suffix is not None:
            name = os.path.splitext(name)[0] + suffix
        stem, ending = os.path.splitext(name)
        output = os.path.join(folder, stem + shard + ending + packing)
        if output in paths:
            raise ConfigError(
                f"{paths[output]} and {path} would both be written to {output}; rename one, or give"
                " them two folders"
            )
        paths[output] = path
    return list(paths)


def refuse_clashes(inputs: Sequence[str], outputs: Mapping[str, Sequence[str]]) -> None:
    """Refuses to write over what is read, or to write two things into one file.

    outputs: what is written, by the option that names it

    Raises:
        ConfigError: the message names the files.
    """
    read = {_place(path) for path in inputs if path != "-"}
    written: dict[str, str] = {}
    for option, paths in outputs.items():
        for path in dict.fromkeys(paths):
            if path == "-" or is_file(path):
                place = _place(path)
                if place in read:
                    raise ConfigError(f"{path} is an input; it cannot be written to as well")
                if written.setdefault(place, option) != option:
                    raise ConfigError(f"{path} is named both for {written[place]} and for {option}")


def _place(path: str) -> str:
    return path if path == "-" or is_url(path) else os.path.realpath(path)
