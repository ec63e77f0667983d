"""What was found in a block, as lists a record: the one place where arrays become objects."""

from itertools import pairwise
from typing import Any

import numpy as np

from ..types import LabelledBlock

_SCORE_DIGITS = 4


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
