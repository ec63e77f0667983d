"""Chinese segmenters that take one text at a time, without a transformer."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from ..labels import Span, word_spans


class SegmenterDriver:
    """A function that cuts a text into words, on one core."""

    def __init__(self, package: str, cut: Callable[[str], list[str]]) -> None:
        self._cut = cut
        self._texts: list[str] = []
        self._found: list[list[str]] = []
        self.facts = {"version": version(package), "device": "cpu"}

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        self._texts = ["".join(words) for words in documents] * copies

    def run(self, batch_size: int) -> None:
        self._found = [self._cut(text) for text in self._texts]

    def report(self) -> dict[str, Any]:
        characters = sum(map(len, self._texts))
        return {"subwords": characters, "positions": characters}

    def spans(self, documents: int) -> list[list[Span]]:
        return [word_spans(words) for words in self._found[:documents]]
