"""Labelled records: lines of what `nerx tag` wrote, or gold data, and what of them is shown."""

import json
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice, pairwise
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import orjson

from ..arrays import begins_of
from ..errors import InputError
from ..files.source import Source
from ..formats.jsonl import JsonlReader
from ..labels.schemes import Scheme
from ..labels.spans import spans_of_tags
from ..run.gold import read_source
from ..run.kinds import kind_of
from ..types import Block

Value = dict[str, Any]  # a line of JSONL
BLOCK_BYTES = 4 << 20
_SENTENCES = 2000  # read at once

_WANTED = 'expected a line of `nerx tag` output, with "entities" or "words"'


class Span(NamedTuple):
    """A labelled run of characters; a word has no type, and gold data no score."""

    start: int
    end: int
    type: str
    score: float | None


class Shown(NamedTuple):
    """A record, or what of it has room."""

    line: int
    id: str
    text: str
    spans: list[Span]
    others: list[Span] | None = None  # those of a second file
    focus: int = 0  # the character to see, where there is no room for all
    before: int = 0  # characters left out
    after: int = 0


def parse(block: Block, path: str) -> tuple[list[int], list[Value]]:
    """The numbers of the lines of a block that are not blank, and their values.

    Raises:
        InputError: a line that is no JSON, or too long.
    """
    if block.too_long:
        raise InputError(f"{path}:{block.line}: a record of {block.too_long:,} bytes; split it")
    lines = block.data.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    numbers = list(range(block.line, block.line + len(lines)))
    if not all(map(bytes.strip, lines)):
        numbers = [number for number, line in zip(numbers, lines, strict=True) if line.strip()]
        lines = [lines[number - block.line] for number in numbers]
    try:
        return numbers, list(map(orjson.loads, lines))
    except ValueError:
        pairs = zip(numbers, lines, strict=True)
        return numbers, [_load(line, f"{path}:{number}") for number, line in pairs]


def _load(line: bytes, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{place}: not JSON ({reason}), or cut off; {_WANTED}") from None


def check(value: Any, place: str) -> None:
    """Refuses what is no labelled record.

    Raises:
        InputError: the message says what was found.
    """
    if not isinstance(value, dict):
        raise InputError(f"{place}: found {type(value).__name__}; {_WANTED}")
    if "words" in value:
        if not _strings(value["words"]):
            raise InputError(f'{place}: "words" must be a list of strings')
        return
    document = value["tokens"] if value.get("tokens") is not None else value.get("text")
    if not isinstance(document, str) and not _strings(document):
        raise InputError(f'{place}: neither "text" nor "tokens" holds a document; {_WANTED}')
    if type(value.get("entities")) is not list:
        found = ", ".join(map(json.dumps, list(value)[:8])) or "none"
        raise InputError(f'{place}: no list "entities" or "words", found {found}; {_WANTED}')
    for number, entity in enumerate(value["entities"]):
        if fault := _fault(entity, len(document)):
            raise InputError(f"{place}: entity {number} has {fault}")


def _strings(value: Any) -> TypeGuard[list[str]]:
    return type(value) is list and all(type(item) is str for item in value)


def _fault(entity: Any, length: int) -> str | None:
    if type(entity) is not dict:
        return "no keys; expected an object"
    for key in ("entity_group", "word"):
        if type(entity.get(key)) is not str:
            return f'no "{key}" that is a string'
    start, end = entity.get("start"), entity.get("end")
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= length:
        return f'"start" {start!r} and "end" {end!r}, which are no place in its document'
    score = entity.get("score")
    if score is not None and not (type(score) in (int, float) and 0 <= score <= 1):
        return f'"score" {score!r}; expected a number from 0 to 1'
    return None


def show(value: Value, line: int, place: str) -> Shown:
    """A record as it is shown: its text, and what was found in it in the order of the text.

    Raises:
        InputError: it is no labelled record.
    """
    check(value, place)
    name = value.get("id", "")
    name = name if isinstance(name, str | int) else ""
    if "words" in value:
        words = value["words"]
        ends = _ends(words, 0)
        spans = [
            Span(end - len(word), end, "", None)
            for word, end in zip(words, ends, strict=True)
            if word.strip()  # what stands between words is none
        ]
        return Shown(line, str(name), "".join(words), spans)
    entities, tokens = value["entities"], value.get("tokens")
    if tokens is None:
        text = value["text"]
        found = [_span(entity, entity["start"], entity["end"]) for entity in entities]
    else:
        text, ends = " ".join(tokens), _ends(tokens, 1)
        found = [
            _span(entity, ends[first] - len(tokens[first]), ends[end - 1])
            for entity in entities
            if (first := entity["start"]) < (end := entity["end"])
        ]
    return Shown(line, str(name), text, sorted(found, key=lambda span: span[:2]))


def _span(entity: Value, start: int, end: int) -> Span:
    return Span(start, end, entity["entity_group"], entity.get("score"))


def _ends(words: list[str], gap: int) -> list[int]:
    """Where each word ends once they are joined with `gap` characters between them."""
    return [end - gap for end in accumulate(len(word) + gap for word in words)]


def cut(record: Shown, most: int) -> Shown:
    """At most `most` characters of a record, its focus in the first third of them."""
    if len(record.text) <= most:
        return record
    begin = max(0, min(record.focus - most // 3, len(record.text) - most))
    end = begin + most

    def inside(spans: list[Span]) -> list[Span]:
        return [
            span._replace(start=span.start - begin, end=span.end - begin)
            for span in spans
            if begin <= span.start and span.end <= end
        ]

    return record._replace(
        text=record.text[begin:end],
        spans=inside(record.spans),
        others=None if record.others is None else inside(record.others),
        focus=record.focus - begin,
        before=record.before + begin,
        after=record.after + len(record.text) - end,
    )


def gold_values(source: Source, kind: str, token_column: int | None) -> Iterator[Value]:
    """Gold data, or what `nerx tag` wrote as CoNLL or segmented text, as values of JSONL.

    Raises:
        InputError: the file cannot be read, or a row is bad.
    """
    sentences = read_source(source, kind, token_column)
    while part := list(islice(sentences, _SENTENCES)):
        names = [tag for _, tags in part for tag in tags]
        scheme = Scheme.from_labels(sorted(set(names)))
        doc_words = begins_of([words for words, _ in part])
        spans = spans_of_tags(names, doc_words, scheme)
        bounds = np.searchsorted(spans.first, doc_words).tolist()
        for (words, _), first, (a, b) in zip(
            part, doc_words[:-1].tolist(), pairwise(bounds), strict=True
        ):
            rows = zip(
                (spans.first[a:b] - first).tolist(),
                (spans.end[a:b] - first).tolist(),
                spans.label[a:b].tolist(),
                strict=True,
            )
            if scheme.segmentation:
                yield {"words": ["".join(words[start:end]) for start, end, _ in rows]}
            else:
                found = [
                    _entity(words, start, end, scheme.types[kind]) for start, end, kind in rows
                ]
                yield {"tokens": words, "entities": found}


def _entity(words: list[str], start: int, end: int, kind: str) -> Value:
    return {"entity_group": kind, "word": " ".join(words[start:end]), "start": start, "end": end}


def shown_records(path: str, format: str | None, token_column: int | None) -> Iterator[Shown]:
    """All records of a labelled file.

    Raises:
        InputError: it cannot be read, or holds what is no labelled record.
    """
    parsed: Iterable[tuple[int, Value]]
    with Source(path) as source:
        if (kind := format or kind_of(source, token_column)) == "jsonl":
            blocks = (parse(block, path) for block in source.blocks(JsonlReader(), BLOCK_BYTES))
            parsed = (pair for block in blocks for pair in zip(*block, strict=True))
        else:
            parsed = enumerate(gold_values(source, kind, token_column), 1)
        for line, value in parsed:
            yield show(value, line, f"{path}:{line}")
