"""Where a run writes: one output for all inputs, or one for each of them in a folder."""

import os
from collections.abc import Sequence

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
        self._sink = Sink(paths[self._number], force=True, resume_at=size or None)

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

    Raises:
        ConfigError: two inputs would share an output.
    """
    paths: dict[str, str] = {}
    for path, suffix in zip(inputs, suffixes, strict=True):
        name, packing = os.path.basename(path), ""
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


def refuse_existing(paths: Sequence[str]) -> None:
    """Refuses to overwrite.

    Raises:
        ConfigError: one of the outputs exists.
    """
    for path in paths:
        if is_file(path) and os.path.lexists(path) and not os.path.isdir(path):
            raise ConfigError(f"{path} exists; name another file or overwrite it with --force")


def refuse_clashes(inputs: Sequence[str], outputs: Sequence[str], rejects: str | None) -> None:
    """Refuses to write over what is read, or rejects over output.

    Raises:
        ConfigError: the message names the files.
    """
    read = {os.path.realpath(path) for path in inputs if path != "-"}
    for path in {*outputs, rejects or "-"}:
        if is_file(path) and os.path.realpath(path) in read:
            raise ConfigError(f"{path} is an input; it cannot be written to as well")
    if rejects is not None and is_file(rejects) and rejects in outputs:
        raise ConfigError(f"{rejects} is named both for the output and for --rejects")
