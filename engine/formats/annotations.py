"""What was found in a block, as lists a record: the one place where arrays become objects."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from ..types import LabelledBlock, Record

_SCORE_DIGITS = 4


class Document(NamedTuple):
    """A record as a text with words and spans; given tokens are joined by one space."""

    record: Record
    text: str
    starts: list[int]  # where each word begins in the text
    ends: list[int]
    spans: list[tuple[int, int, str]]  # first and last word, and type


def annotate(block: LabelledBlock) -> list[dict[str, Any]]:
    """What JSONL output adds to each record: `entities` or `words`, and `tags` beside tokens."""
    key, found = ("words", words(block)) if block.segmentation else ("entities", entities(block))
    if all(record.tokens is None for record in block.records):
        return [{key: item} for item in found]
    return [
        {key: item} if record.tokens is None else {"tags": labels, key: item}
        for record, labels, item in zip(block.records, tags(block), found, strict=True)
    ]


def entities(block: LabelledBlock) -> list[list[dict[str, Any]]]:
    """The spans of each record, named as Hugging Face pipelines name them.

    `start` and `end` are code points of the text; for given tokens they count tokens.
    """
    starts, ends = span_bounds(block)
    types = block.types
    groups = [types[label] for label in block.spans.label.tolist()]
    scores = block.span_scores.astype(np.float64).round(_SCORE_DIGITS).tolist()
    result = []
    for record, (first, end) in zip(block.records, span_ranges(block), strict=True):
        found = []
        for i in range(first, end):
            start, stop = starts[i], ends[i]
            if record.tokens is None:
                word = record.text[start:stop]  # type: ignore[index]  # one of the two is there
            else:
                word = " ".join(record.tokens[start:stop])
            found.append(
                {
                    "entity_group": groups[i],
                    "score": scores[i],
                    "word": word,
                    "start": start,
                    "end": stop,
                }
            )
        result.append(found)
    return result


def words(block: LabelledBlock) -> list[list[str]]:
    """The segments of each record; joined they are the text, so gaps are segments too."""
    starts, ends = span_bounds(block)
    result = []
    for record, (first, end) in zip(block.records, span_ranges(block), strict=True):
        if record.tokens is not None:
            result.append(["".join(record.tokens[starts[i] : ends[i]]) for i in range(first, end)])
            continue
        text = record.text
        assert text is not None
        found = []
        at = 0
        for i in range(first, end):
            if at < starts[i]:
                found.append(text[at : starts[i]])
            found.append(text[starts[i] : ends[i]])
            at = ends[i]
        if at < len(text):
            found.append(text[at:])
        result.append(found)
    return result


def documents(block: LabelledBlock) -> Iterator[Document]:
    """Each record as a text, with the places of its words and spans."""
    starts, ends = block.encoded.word_start.tolist(), block.encoded.word_end.tolist()
    firsts, span_ends = block.spans.first.tolist(), block.spans.end.tolist()
    labels = [block.types[label] for label in block.spans.label.tolist()]
    doc_words = pairwise(block.encoded.doc_words.tolist())
    for record, (word, end), spans in zip(
        block.records, doc_words, span_ranges(block), strict=True
    ):
        if record.tokens is None:
            text, begin, stop = record.text or "", starts[word:end], ends[word:end]
        else:
            text = " ".join(record.tokens)
            lengths = list(map(len, record.tokens))
            stop = [end + gaps for gaps, end in enumerate(accumulate(lengths))]
            begin = [end - length for end, length in zip(stop, lengths, strict=True)]
        found = [(firsts[i] - word, span_ends[i] - word - 1, labels[i]) for i in range(*spans)]
        yield Document(record, text, begin, stop, found)


def tags(block: LabelledBlock) -> list[list[str]]:
    """The label of each word of each record."""
    names = np.array(block.names, dtype=object)
    labels = names[block.labels.label_ids].tolist()
    return [labels[first:end] for first, end in pairwise(block.encoded.doc_words.tolist())]


def span_bounds(block: LabelledBlock) -> tuple[list[int], list[int]]:
    """Where each span begins and ends in its document."""
    starts = block.encoded.word_start[block.spans.first].tolist()
    ends = block.encoded.word_end[block.spans.end - 1].tolist()
    return starts, ends


def span_ranges(block: LabelledBlock) -> list[tuple[int, int]]:
    """First and end of each record's spans in the block's."""
    bounds = np.searchsorted(block.spans.first, block.encoded.doc_words).tolist()
    return list(pairwise(bounds))
