"""Text to calibrate, compare and measure on: words, and gold tags where a file has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ..engine.bundle import Bundle
from ..engine.errors import InputError
from ..engine.files.source import read_blocks
from ..engine.formats.jsonl import JsonlReader
from ..engine.formats.text import TextReader
from ..engine.run.gold import read_gold
from ..engine.run.kinds import find_kind
from ..engine.text.words import characters, code_points, cut_words
from ..engine.types import Ints, Record

_BLOCK_BYTES = 1 << 20
_LOOKED_AT = 100  # records, to tell gold data from plain text
SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents as words, and a gold tag for each word if the file has them."""

    words: list[list[str]]
    tags: list[list[str]] | None
    file: str
    unit: str = "words"

    @property
    def name(self) -> str:
        return Path(self.file).name

    @property
    def joint(self) -> str:
        """What stands between two words of a document's text."""
        return "" if self.unit == "characters" else " "

    @property
    def word_count(self) -> int:
        return sum(map(len, self.words))

    def records(self) -> list[Record]:
        """The documents as the engine takes them."""
        return [Record(b"", number, 0, tokens=row) for number, row in enumerate(self.words, 1)]

    def head(self, documents: int) -> "Sample":
        """Documents spread evenly over the sample, at most so many."""
        count = min(documents, len(self.words))
        places = [number * len(self.words) // count for number in range(count)]
        tags = None if self.tags is None else [self.tags[place] for place in places]
        return replace(self, words=[self.words[place] for place in places], tags=tags)

    def without_tags(self) -> "Sample":
        """The documents alone."""
        return replace(self, tags=None)

    def halves(self) -> tuple["Sample", "Sample"]:
        """Every second document, and the others; without tags."""
        plain = self.without_tags()
        return replace(plain, words=self.words[::2]), replace(plain, words=self.words[1::2])

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
    """Reads CoNLL, JSONL (tokens, with or without tags, or text), or plain text.

    For models whose unit is "characters", plain text is a gold segmentation if it has spaces.

    Raises:
        InputError: the file cannot be read, or has no words.
    """
    kind = find_kind(path)
    if kind in ("conll", "conllu") or _is_gold(path, kind, unit):
        pairs = list(read_gold(path, kind))
        sample = Sample([words for words, _ in pairs], [tags for _, tags in pairs], path, unit)
    else:
        rows = [record.tokens or _words(record.text or "", unit) for record in _records(path, kind)]
        sample = Sample([row for row in rows if row], None, path, unit)
    if not sample.words:
        raise InputError(f"{path} holds no text; expected sentences of the model's language")
    return sample


def sample_for(bundle: Bundle, text: str | None = None) -> Sample:
    """The documents of a file, or of the text that comes with nerx.

    Raises:
        InputError: the file cannot be read, or has no words.
    """
    if text is not None:
        return read_sample(text, bundle.unit)
    return builtin_sample(Tokenizer.from_file(str(bundle.tokenizer_path())), bundle.unit)


def builtin_sample(tokenizer: Tokenizer, unit: str) -> Sample:
    """Text that comes with nerx: Chinese where the tokenizer knows it better than English.

    Chinese has its gold segmentation where the unit is "characters".
    """
    vocabulary = [piece.strip("▁#Ġ") for piece in tokenizer.get_vocab()]
    han = sum("一" <= piece[:1] <= "鿿" for piece in vocabulary)
    latin = sum(piece.isascii() and piece.isalpha() for piece in vocabulary)
    name = "gsd_dev.txt" if unit == "characters" or han > latin else "war_and_peace.txt"
    return read_sample(str(SAMPLES / name), unit)


def _records(path: str, kind: str) -> Iterator[Record]:
    """The records of a text or JSONL file."""
    reader = JsonlReader() if kind == "jsonl" else TextReader()
    for block in read_blocks(path, reader, _BLOCK_BYTES):
        for record in reader.parse(block):
            if record.error:
                raise InputError(f"{path}:{record.line}: {record.error}")
            yield record


def _is_gold(path: str, kind: str, unit: str) -> bool:
    """Whether the first records have tags, or most of them words that are parted by spaces."""
    first = list(islice(_records(path, kind), _LOOKED_AT))
    if kind == "jsonl":
        return any(record.tokens and b'"tags"' in record.raw for record in first)
    spaced = sum(" " in (record.text or "").strip() for record in first)
    return unit == "characters" and 2 * spaced >= max(1, len(first))


def _words(text: str, unit: str) -> list[str]:
    if unit == "characters":
        return [text[place] for place in characters(code_points(text)).tolist()]
    first, end, _ = cut_words(text)
    return [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]
