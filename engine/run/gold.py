"""Gold data: sentences with a label for each word, for training and evaluation."""

from collections.abc import Iterator

import orjson

from ..errors import ConfigError, InputError
from ..files.source import read_blocks
from ..formats.base import Reader
from ..formats.conll import ConllReader, columns, sentences
from ..formats.jsonl import JsonlReader
from ..formats.registry import find_format
from ..formats.text import TextReader
from ..types import Record

Sentence = tuple[list[str], list[str]]  # words and their tags, of the same length

_BLOCK_BYTES = 1 << 20
_READERS: dict[str, Reader] = {
    "conll": ConllReader(),
    "jsonl": JsonlReader(text_key=None),
    "text": TextReader(),
}


def read_gold(path: str, name: str | None = None) -> Iterator[Sentence]:
    """The sentences of a gold file that have words.

    conll: the word in the first column, the tag in the last. jsonl: `tokens` and `tags`.
    text: words joined by a space; each character is tagged B where a word begins, I within.

    Raises:
        InputError: the file cannot be read, or a row is bad; the message has its line.
        ConfigError: `name` is no format.
    """
    return (sentence for sentence, _ in _read(path, name))


def _read(path: str, name: str | None) -> Iterator[tuple[Sentence, bool]]:
    """Each sentence, and whether a document starts with it."""
    kind = name or find_format(path)
    if kind not in _READERS:
        raise ConfigError(f"unknown format {kind!r}; expected one of {', '.join(_READERS)}")
    take = {"conll": _conll, "jsonl": _jsonl, "text": _segmented}[kind]
    reader = _READERS[kind]
    for block in read_blocks(path, reader, _BLOCK_BYTES):
        for record in reader.parse(block):
            try:
                if record.error is not None:
                    raise ValueError(record.error)
                sentence = take(record)
            except ValueError as error:
                raise InputError(f"{path}:{record.line}: {error}") from None
            if sentence[0]:
                yield sentence, record.raw.lstrip().startswith(b"-DOCSTART-")


def read_documents(path: str, name: str | None = None) -> Iterator[list[Sentence]]:
    """The sentences of a gold file by document: CoNLL's -DOCSTART- lines begin one each.

    A file without such lines is one document. Raises: as `read_gold`.
    """
    document: list[Sentence] = []
    for sentence, starts in _read(path, name):
        if starts and document:
            yield document
            document = []
        document.append(sentence)
    if document:
        yield document


def _conll(record: Record) -> Sentence:
    assert record.tokens is not None
    tags = []
    for part, flags in sentences(record.raw):
        for number, (line, is_row) in enumerate(zip(part, flags, strict=True), record.line):
            if not is_row:
                continue
            row = columns(line)
            if len(row) < 2 or not row[-1]:
                raise ValueError(f"line {number} has no tag; expected a word and, last, its tag")
            tags.append(row[-1].decode())
    return record.tokens, tags


def _jsonl(record: Record) -> Sentence:
    assert record.tokens is not None
    tags = orjson.loads(record.raw).get("tags")
    if type(tags) is not list or not all(type(tag) is str for tag in tags):
        raise ValueError('"tags" must be a list of strings, one for each of "tokens"')
    if len(tags) != len(record.tokens):
        raise ValueError(f'{len(record.tokens)} "tokens" but {len(tags)} "tags"')
    return record.tokens, tags


def _segmented(record: Record) -> Sentence:
    assert record.text is not None
    words = record.text.split()
    tags = ["I" if place else "B" for word in words for place in range(len(word))]
    return list("".join(words)), tags
