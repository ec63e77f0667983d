"""Output for annotation tools: Prodigy (tokens and spans) and doccano (offsets and labels).

Other keys of a JSONL record are kept. Given tokens become a text, joined by one space.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from ..types import LabelledBlock, Record
from .annotations import span_ranges
from .jsonl import dump, splice


class _Span(NamedTuple):
    first: int  # word of the document
    last: int
    label: str


class _Document(NamedTuple):
    record: Record
    text: str
    words: list[tuple[int, int]]  # where each word begins and ends in the text
    spans: list[_Span]


class ProdigyWriter:
    """`text`, `tokens` and `spans`, a record a line."""

    def __init__(self, input_format: str) -> None:
        self.input_format = input_format

    def render(self, block: LabelledBlock) -> bytes:
        return b"".join([_line(doc, _prodigy(doc), self.input_format) for doc in _documents(block)])


class DoccanoWriter:
    """`text` and `label`, a list of [start, end, type], a record a line."""

    def __init__(self, input_format: str) -> None:
        self.input_format = input_format

    def render(self, block: LabelledBlock) -> bytes:
        return b"".join([_line(doc, _doccano(doc), self.input_format) for doc in _documents(block)])


def _prodigy(doc: _Document) -> dict[str, Any]:
    tokens = [
        {"text": doc.text[start:end], "start": start, "end": end, "id": number}
        for number, (start, end) in enumerate(doc.words)
    ]
    spans = [
        {
            "start": doc.words[span.first][0],
            "end": doc.words[span.last][1],
            "token_start": span.first,
            "token_end": span.last,
            "label": span.label,
        }
        for span in doc.spans
    ]
    return {"text": doc.text, "tokens": tokens, "spans": spans}


def _doccano(doc: _Document) -> dict[str, Any]:
    label = [[doc.words[span.first][0], doc.words[span.last][1], span.label] for span in doc.spans]
    return {"text": doc.text, "label": label}


def _line(doc: _Document, new: dict[str, Any], input_format: str) -> bytes:
    return splice(doc.record.raw, new) if input_format == "jsonl" else dump(new) + b"\n"


def _documents(block: LabelledBlock) -> Iterator[_Document]:
    starts, ends = block.encoded.word_start.tolist(), block.encoded.word_end.tolist()
    firsts, span_ends = block.spans.first.tolist(), block.spans.end.tolist()
    labels = [block.types[label] for label in block.spans.label.tolist()]
    doc_words = pairwise(block.encoded.doc_words.tolist())
    for record, (word, end), spans in zip(
        block.records, doc_words, span_ranges(block), strict=True
    ):
        if record.tokens is None:
            text = record.text or ""
            places: Iterable[tuple[int, int]] = zip(starts[word:end], ends[word:end], strict=True)
        else:
            text = " ".join(record.tokens)
            begins = accumulate((len(token) + 1 for token in record.tokens), initial=0)
            places = ((start, after - 1) for start, after in pairwise(begins))
        found = [_Span(firsts[i] - word, span_ends[i] - word - 1, labels[i]) for i in range(*spans)]
        yield _Document(record, text, list(places), found)
