"""The text of a benchmark: documents as words, the same for every system."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError
from ..engine.files.source import read_blocks
from ..engine.formats.jsonl import JsonlReader
from ..engine.formats.registry import find_format
from ..engine.formats.text import TextReader
from ..engine.run.gold import read_gold
from ..engine.text.encoding import Encoder
from ..engine.text.words import characters, code_points, cut_words
from ..engine.types import Record

_BLOCK_BYTES = 1 << 20
_SAMPLES = Path(__file__).parent / "samples"
_NAMES = {"words": "war_and_peace.txt", "characters": "gsd_dev.txt"}


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents as words.

    tags: a gold tag for each word, if the file has them
    joint: what stands between two words in the text that the peers are given
    """

    name: str
    words: list[list[str]]
    tags: list[list[str]] | None
    joint: str

    def head(self, documents: int) -> "Sample":
        """Documents spread evenly over the sample, at most so many."""
        count = min(documents, len(self.words))
        places = [number * len(self.words) // count for number in range(count)]
        tags = None if self.tags is None else [self.tags[place] for place in places]
        return Sample(self.name, [self.words[place] for place in places], tags, self.joint)

    @property
    def word_count(self) -> int:
        return sum(map(len, self.words))


def builtin_sample(unit: str) -> Sample:
    """The sample that ships with nerx: English prose, or Chinese with its gold segmentation."""
    return read_sample(str(_SAMPLES / _NAMES[unit]), unit)


def read_sample(path: str, unit: str) -> Sample:
    """Reads CoNLL, JSONL (tokens, with or without tags, or text), or plain text.

    unit: "words", or "characters" for segmentation; then lines with spaces are gold words

    Raises:
        InputError: the file cannot be read, or has no words.
    """
    kind = find_format(path)
    documents = _plain(path, kind, unit) if kind != "conll" else None
    gold = kind == "conll" or (kind == "jsonl" and documents is None)
    if kind == "text" and unit == "characters":
        gold = _is_segmented(path)
    tags = None
    if gold or documents is None:
        pairs = list(read_gold(path, kind))
        documents, tags = [words for words, _ in pairs], [labels for _, labels in pairs]
    if not documents:
        raise InputError(f"{path} holds no text; expected sentences of the model's language")
    return Sample(Path(path).name, documents, tags, "" if unit == "characters" else " ")


def as_records(words: Sequence[Sequence[str]]) -> list[Record]:
    """Documents as the engine takes them."""
    return [Record(b"", number, 0, tokens=list(row)) for number, row in enumerate(words, 1)]


def subword_lengths(sample: Sample, encoder: Encoder) -> list[int]:
    """Subwords of each document, special tokens not counted."""
    encoded = encoder.encode(as_records(sample.words))
    begin = encoded.word_subwords[encoded.doc_words]
    lengths: list[int] = (begin[1:] - begin[:-1]).tolist()
    return lengths


def _plain(path: str, kind: str, unit: str) -> list[list[str]] | None:
    """The documents of a text or JSONL file; None if they come with tags."""
    reader = JsonlReader() if kind == "jsonl" else TextReader()
    documents = []
    for block in read_blocks(path, reader, _BLOCK_BYTES):
        for record in reader.parse(block):
            if record.error:
                raise InputError(f"{path}:{record.line}: {record.error}")
            if record.tokens is not None and b'"tags"' in record.raw:
                return None
            documents.append(record.tokens or _words(record.text or "", unit))
    return [words for words in documents if words]


def _words(text: str, unit: str) -> list[str]:
    codes = code_points(text)
    if unit == "characters":
        return [text[place] for place in characters(codes).tolist()]
    first, end = cut_words(text, codes)
    return [text[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


def _is_segmented(path: str) -> bool:
    """Whether most of a text's first lines are words joined by spaces."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for _, line in zip(range(100), file, strict=False)]
    return sum(" " in line for line in lines) > len(lines) / 2
