"""What goes into an exported graph and what comes out of it, whichever runtime runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError
from ..labels.decoding import softmax
from ..types import Batch, BatchLabels

_TAIL = ("label_ids", "scores", "word_logits")


@dataclass(frozen=True, slots=True)
class Signature:
    """The names of a graph's inputs, and those of its outputs that are wanted.

    Two kinds of graphs are known: those of `nerx export`, which decode words themselves, and
    plain token classifiers (output `logits`: (rows, length, labels)), whose decoding is here.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, inputs: Sequence[str], outputs: Sequence[str]) -> Self:
        """Finds the kind of a graph.

        Raises:
            BackendError: the graph is of neither kind.
        """
        known = {"input_ids", "attention_mask", "token_type_ids", "word_index"}
        wanted = _TAIL if set(_TAIL) <= set(outputs) else ("logits",)
        if set(inputs) - known or "input_ids" not in inputs or not set(wanted) <= set(outputs):
            raise BackendError(
                f"the model takes {', '.join(inputs)} and gives {', '.join(outputs)}; expected "
                "a token classifier that takes input_ids, attention_mask and gives logits"
            )
        return cls(tuple(inputs), wanted)

    def feed(self, batch: Batch) -> dict[str, NDArray[np.int64]]:
        """The graph's inputs for a batch, by name."""
        values = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "word_index": batch.word_index,
        }
        if "token_type_ids" in self.inputs:
            values["token_type_ids"] = np.zeros_like(batch.input_ids)
        return {name: values[name] for name in self.inputs}

    def labels(self, outputs: Mapping[str, NDArray[Any]], batch: Batch) -> BatchLabels:
        """Labels from a graph's outputs, which are copied: a runtime may write over its own."""
        if self.outputs == _TAIL:
            label_ids, scores, logits = (np.array(outputs[name]) for name in _TAIL)
        else:
            grid = outputs["logits"]
            logits = grid.reshape(-1, grid.shape[-1])[batch.word_index].astype(np.float32)
            label_ids = logits.argmax(axis=1)
            scores = softmax(logits).max(axis=1, initial=0.0)
        return BatchLabels(
            # flat: without positions, ONNX Runtime gives (0, labels)
            label_ids=label_ids.astype(np.int32).reshape(-1),
            scores=scores.astype(np.float32).reshape(-1),
            logits=partial(np.take, logits.astype(np.float32), axis=0),
        )
