"""What fp32 PyTorch says: the labels that every artifact is held to.

It shares no code with the engine: from words to labels it is transformers alone, its tokenizer as
configured, its alignment of subwords to words, its padding.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine.arrays import begins_of
from ..engine.types import Floats, Ints
from .checkpoint import Checkpoint
from .sample import Sample

_BATCH_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class Reference:
    """Labels of all words of a sample, in order.

    label_ids: (words,); -1 for the words of documents that do not fit the model at once
    margins: (words,) how far the label's logit is above the next one's
    """

    label_ids: Ints
    margins: Floats


def reference_labels(checkpoint: Checkpoint, sample: Sample) -> Reference:
    """Labels a sample with the PyTorch model: each word by its first subword, arg max."""
    begin = begins_of(sample.words)
    label_ids = np.full(begin[-1], -1, np.int32)
    margins = np.zeros(begin[-1], np.float32)
    lengths = [len(ids) for ids in _tokenize(checkpoint, sample.words)["input_ids"]]
    for rows in _batches(lengths, checkpoint.max_length):
        texts = [sample.words[row] for row in rows]
        batch = _tokenize(checkpoint, texts, padding=True, return_tensors="pt")
        logits = _run(checkpoint.model, batch)
        for number, row in enumerate(rows):
            first = _first_subwords(batch.word_ids(number))
            if len(first) < len(sample.words[row]):
                continue  # a word without a subword has no label of its own
            found = logits[number, first]
            label_ids[begin[row] : begin[row + 1]] = found.argmax(axis=1)
            margins[begin[row] : begin[row + 1]] = margins_of(found)
    return Reference(label_ids, margins)


def margins_of(logits: Floats) -> Floats:
    """How far the best logit of each row is above the next one: (rows,)."""
    best = np.sort(logits, axis=1)
    margins: Floats = best[:, -1] - best[:, -2]
    return margins


def _tokenize(checkpoint: Checkpoint, texts: list[list[str]], **options: Any) -> Any:
    return checkpoint.tokenizer(texts, is_split_into_words=True, verbose=False, **options)


def _batches(lengths: list[int], max_length: int) -> Iterator[list[int]]:
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if lengths[row] > max_length:
            continue
        if rows and (len(rows) + 1) * lengths[rows[0]] > _BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _run(model: Any, batch: Any) -> Floats:
    """Logits: (rows, length, labels)."""
    known = inspect.signature(model.forward).parameters
    with torch.inference_mode():
        output = model(**{name: value for name, value in batch.items() if name in known})
    logits: Floats = output.logits.numpy()
    return logits


def _first_subwords(word_ids: list[int | None]) -> NDArray[np.int64]:
    """The position of each word's first subword, as far as words have one."""
    first: dict[int, int] = {}
    for position, word in enumerate(word_ids):
        if word is not None:
            first.setdefault(word, position)
    return np.array([first[word] for word in sorted(first)], np.int64)
