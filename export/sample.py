"""Text for calibration and for the parity gate: words, and gold tags where a file has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from tokenizers import Tokenizer

from ..engine.errors import InputError
from ..engine.files.source import read_blocks
from ..engine.formats.jsonl import JsonlReader
from ..engine.formats.registry import find_format
from ..engine.formats.text import TextReader
from ..engine.run.gold import read_gold
from ..engine.text.words import code_points, cut_words
from ..engine.types import Ints, Record

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents as words, and a gold tag for each word if the file has them."""

    words: list[list[str]]
    tags: list[list[str]] | None
    file: str

    def records(self) -> list[Record]:
        """The documents as the engine takes them."""
        return [Record(b"", number, 0, tokens=row) for number, row in enumerate(self.words, 1)]

    def head(self, documents: int) -> "Sample":
        """Documents spread evenly over the sample, at most so many."""
        step = -(-len(self.words) // documents)
        tags = None if self.tags is None else self.tags[::step]
        return Sample(self.words[::step], tags, self.file)

    def halves(self) -> tuple["Sample", "Sample"]:
        """Every second document, and the others; without tags."""
        return (Sample(self.words[::2], None, self.file), Sample(self.words[1::2], None, self.file))

    def gold(self, labels: Sequence[str]) -> Ints:
        """The gold tags as label ids: (words,).

        IOB1 tags may be read with IOB2 labels: scores open a span at a stray I- in either.

        Raises:
            InputError: a tag is not among the model's labels.
        """
        numbers = {label: number for number, label in enumerate(labels)}
        flat = [tag for tags in self.tags or () for tag in tags]
        if unknown := sorted(set(flat) - set(numbers)):
            raise InputError(
                f"{self.file} has tags that the model does not know: {', '.join(unknown[:5])}; "
                f"expected only {', '.join(labels)}"
            )
        return np.array([numbers[tag] for tag in flat], np.int32)


def read_sample(path: str, unit: str) -> Sample:
    """Reads CoNLL, JSONL (tokens and tags, or text), or plain text.

    For models whose unit is "characters", plain text is a gold segmentation if it has spaces.

    Raises:
        InputError: the file cannot be read, or has no words.
    """
    kind = find_format(path)
    sample = _gold(path, kind) if kind == "conll" else _plain(path, kind, unit)
    if kind == "jsonl" and _has_tags(path):
        sample = _gold(path, kind)
    if kind == "text" and unit == "characters" and _has_spaces(path):
        sample = _gold(path, kind)
    if not sample.words:
        raise InputError(f"{path} holds no text; expected sentences of the model's language")
    return sample


def builtin_sample(tokenizer: Tokenizer, unit: str) -> Sample:
    """Text that comes with nerx: Chinese where the tokenizer knows it better than English."""
    vocabulary = [piece.strip("▁#Ġ") for piece in tokenizer.get_vocab()]
    han = sum("一" <= piece[:1] <= "鿿" for piece in vocabulary)
    latin = sum(piece.isascii() and piece.isalpha() for piece in vocabulary)
    name = "gsd_dev.txt" if unit == "characters" or han > latin else "war_and_peace.txt"
    text = (files("nerx.benchmarks") / "samples" / name).read_text(encoding="utf-8")
    if name == "gsd_dev.txt":
        text = text.replace(" ", "")  # its spaces part words
    rows = [_words(line, unit) for line in text.splitlines()]
    return Sample([row for row in rows if row], None, "the text that comes with nerx")


def _gold(path: str, kind: str) -> Sample:
    sentences = list(read_gold(path, kind))
    return Sample([words for words, _ in sentences], [tags for _, tags in sentences], path)


def _plain(path: str, kind: str, unit: str) -> Sample:
    reader = JsonlReader() if kind == "jsonl" else TextReader()
    blocks = read_blocks(path, reader, _BLOCK_BYTES)
    records = [record for block in blocks for record in reader.parse(block)]
    if bad := next((record for record in records if record.error), None):
        raise InputError(f"{path}:{bad.line}: {bad.error}")
    rows = [record.tokens or _words(record.text or "", unit) for record in records]
    return Sample([row for row in rows if row], None, path)


def _words(text: str, unit: str) -> list[str]:
    if unit == "characters":
        return list("".join(text.split()))
    first, end = cut_words(text, code_points(text))
    return [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


def _has_tags(path: str) -> bool:
    try:
        next(read_gold(path, "jsonl"))
    except (InputError, StopIteration):
        return False
    return True


def _has_spaces(path: str) -> bool:
    """Whether at least half of the lines are words joined by spaces, as in segmented text."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for _, line in zip(range(100), file, strict=False)]
    return 2 * sum(" " in line for line in lines) >= max(1, len(lines))
