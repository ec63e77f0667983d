"""Gold data: sentences with a label for each word, for training and evaluation."""

from collections.abc import Iterator

import orjson

from ..errors import ConfigError, InputError
from ..files.source import Source
from ..formats.conll import columns, sentences
from ..formats.conllu import find_tags
from ..formats.registry import LINES, open_format
from ..types import Record
from .kinds import kind_of

Sentence = tuple[list[str], list[str]]  # words and their tags, of the same length

_BLOCK_BYTES = 1 << 20


def read_gold(
    path: str, kind: str | None = None, token_column: int | None = None
) -> Iterator[Sentence]:
    """The sentences of a gold file that have words; `-` is standard input.

    conll: the word in the first column, or in `token_column`, the tag in the last. conllu: the tag
    in MISC, as `ner=O`. jsonl: `tokens` and `tags`. text: words joined by a space; each character
    is tagged B where a word begins, I within.

    Raises:
        InputError: the file cannot be read, or a row is bad; the message has its line.
        ConfigError: `kind` is no format, or in doubt where it is not given.
    """
    with Source(path) as source:
        yield from read_source(source, kind, token_column)


def read_source(
    source: Source, kind: str | None = None, token_column: int | None = None
) -> Iterator[Sentence]:
    """`read_gold` of an open input, of which nothing has been read."""
    return (sentence for sentence, _ in _read(source, kind, token_column))


def _read(
    source: Source, kind: str | None, token_column: int | None = None
) -> Iterator[tuple[Sentence, bool]]:
    """Each sentence, and whether a document starts with it."""
    path = source.path
    kind = kind or kind_of(source, token_column)
    if kind not in LINES:
        raise ConfigError(f"unknown format {kind!r}; expected one of {', '.join(LINES)}")
    take = {"conll": _conll, "conllu": _conllu, "jsonl": _jsonl, "text": _segmented}[kind]
    key = "tokens" if kind == "jsonl" else None  # alone: records with text have no gold words
    reader = open_format(kind, path, tokens_key=key, token_column=token_column)
    for block in source.blocks(reader, _BLOCK_BYTES):
        for record in reader.parse(block):
            try:
                if record.error is not None:
                    raise ValueError(record.error)
                sentence = take(record)
            except ValueError as error:
                raise InputError(f"{path}:{record.line}: {error}") from None
            if sentence[0]:
                yield sentence, record.raw.lstrip().startswith(b"-DOCSTART-")


def read_documents(path: str) -> Iterator[list[Sentence]]:
    """The sentences of a gold file by document: CoNLL's -DOCSTART- lines begin one each.

    A file without such lines is one document. Raises: as `read_gold`.
    """
    document: list[Sentence] = []
    with Source(path) as source:
        for sentence, starts in _read(source, None):
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


def _conllu(record: Record) -> Sentence:
    assert record.tokens is not None
    tags = find_tags(record.raw)
    if None in tags:
        word = record.tokens[tags.index(None)]
        raise ValueError(f"the word {word!r} has no tag; expected one in MISC, such as ner=O")
    return record.tokens, [str(tag) for tag in tags]


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
