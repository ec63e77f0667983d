"""Where a run writes: one output for all inputs, or one for each of them in a folder."""

import os
from collections.abc import Mapping, Sequence

from ..errors import ConfigError
from .sink import Sink, is_file


class Outputs:
    """The outputs of a run; each gets its name when it is whole.

    paths: the output of each input; all may be the same
    start: number of the input to begin with, and the bytes of its output that an earlier run has
        written; None for a new output

    Raises:
        ConfigError: an output cannot be created or resumed.
    """

    def __init__(self, paths: Sequence[str], start: tuple[int, int | None]) -> None:
        self._paths = paths
        self._number, size = start
        self._sink = Sink(paths[self._number], force=True, resume_at=size)

    def turn_to(self, number: int) -> Sink:
        """The output of an input; those of the inputs before it are ended."""
        while self._number < number:
            self._number += 1
            path = self._paths[self._number]
            if path != self._sink.path:
                self._sink.close()
                self._sink = Sink(path, force=True)
        return self._sink

    def is_shared_with_next(self, number: int) -> bool:
        """Whether what comes of the next input follows in the same output."""
        return self._paths[number] in self._paths[number + 1 : number + 2]

    def close(self) -> None:
        """Ends all outputs."""
        self.turn_to(len(self._paths) - 1).close()

    def abandon(self) -> None:
        """Closes the output that is not whole; its `.part` file stays."""
        self._sink.abandon()


def name_outputs(folder: str, inputs: Sequence[str], suffixes: Sequence[str | None]) -> list[str]:
    """A file in `folder` for each input: the input's name, with its new suffix if there is one.

    The folders below the one that holds all inputs are made again.

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
        output = os.path.join(folder, name + packing)
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
    read = {os.path.realpath(path) for path in inputs if path != "-"}
    written: dict[str, str] = {}
    for option, paths in outputs.items():
        for path in dict.fromkeys(paths):
            if path == "-" or is_file(path):
                place = path if path == "-" else os.path.realpath(path)
                if place in read:
                    raise ConfigError(f"{path} is an input; it cannot be written to as well")
                if written.setdefault(place, option) != option:
                    raise ConfigError(f"{path} is named both for {written[place]} and for {option}")
