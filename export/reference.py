"""What fp32 PyTorch says: the labels that every artifact is held to.

It shares no code with the engine: the tokenizer's own alignment of subwords to words, padding and
batches of its own, plain transformers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

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
    encoded = [_encode(checkpoint, words) for words in sample.words]
    begin = np.cumsum([0, *map(len, sample.words)])
    label_ids = np.full(begin[-1], -1, np.int32)
    margins = np.zeros(begin[-1], np.float32)
    for rows in _batches([len(ids) for ids, _ in encoded], checkpoint.max_length):
        logits = _run(checkpoint, [encoded[row][0] for row in rows])
        for row, values in zip(rows, logits, strict=True):
            _, first = encoded[row]
            found = values[first]
            best = np.sort(found, axis=1)
            label_ids[begin[row] : begin[row + 1]] = found.argmax(axis=1)
            margins[begin[row] : begin[row + 1]] = best[:, -1] - best[:, -2]
    return Reference(label_ids, margins)


def _encode(checkpoint: Checkpoint, words: list[str]) -> tuple[list[int], NDArray[np.int64]]:
    """The subword ids of a document, and the position of each word's first subword."""
    encoding = checkpoint.tokenizer.encode(words, is_pretokenized=True)
    first: dict[int, int] = {}
    for position, word in enumerate(encoding.word_ids):
        if word is not None:
            first.setdefault(word, position)
    if len(first) < len(words):  # some yield no subword; the model cannot label those
        return [], np.zeros(0, np.int64)
    return encoding.ids, np.array([first[word] for word in range(len(words))], np.int64)


def _batches(lengths: list[int], max_length: int) -> Iterator[list[int]]:
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if not 0 < lengths[row] <= max_length:
            continue
        if rows and (len(rows) + 1) * lengths[rows[0]] > _BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _run(checkpoint: Checkpoint, rows: list[list[int]]) -> Floats:
    """Logits: (rows, length, labels)."""
    length = max(map(len, rows))
    input_ids = torch.full((len(rows), length), checkpoint.pad_id)
    mask = torch.zeros_like(input_ids)
    for number, ids in enumerate(rows):
        input_ids[number, : len(ids)] = torch.tensor(ids)
        mask[number, : len(ids)] = 1
    with torch.inference_mode():
        logits: Floats = checkpoint.model(input_ids=input_ids, attention_mask=mask).logits.numpy()
    return logits
