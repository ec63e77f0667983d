"""What a benchmark asks of a system; each runs in a process of its own (`child.py`)."""

from dataclasses import dataclass
from typing import Any, Protocol

from ..engine.errors import NerxError
from .labels import Span


class SystemFailedError(NerxError):
    """A system could not be opened, or failed at its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a system is to be opened with.

    model: what it loads: a bundle for nerx, a Hugging Face folder or hub id for peers
    joint: what stands between two words of the text
    workers: processes of nerx that parse and render
    decode: how nerx finds labels; peers do it by arg max
    block_bytes: of nerx; None for what suits the device
    """

    model: str
    joint: str
    backend: str = ""
    precision: str = "fp32"
    device: str = "cpu"
    batch_tokens: int = 0  # 0 for what the backend likes best
    workers: int = 0
    decode: str = "argmax"
    block_bytes: int | None = None


class Driver(Protocol):
    """A loaded system."""

    facts: dict[str, Any]  # version, device and the like, for the results

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        """Takes the documents of the next runs, to be labelled so many times over; not timed."""
        ...

    def run(self, batch_size: int) -> None:
        """Labels the documents; this is what is timed. nerx finds its batches itself."""
        ...

    def report(self) -> dict[str, Any]:
        """What the last run was like: `subwords` and `positions`, and what else is known."""
        ...

    def spans(self, documents: int) -> list[list[Span]]:
        """What the last run found in its first documents; nothing if it ends in no labels."""
        ...
