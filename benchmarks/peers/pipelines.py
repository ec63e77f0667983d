"""Hugging Face token classification pipelines, whichever runtime is behind them."""

from functools import wraps
from typing import Any

from ..driver import Counts
from ..labels import Span


class PipelineDriver:
    """A pipeline with aggregation strategy "first", given words so that all label the same."""

    def __init__(self, pipeline: Any, joint: str, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._pipeline = pipeline
        self._joint = joint
        self._counts = count_rows(pipeline.model)
        self._documents: list[list[str]] = []
        self._found: list[list[dict[str, Any]]] = []

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        self._documents = documents * copies

    def run(self, batch_size: int) -> None:
        self._counts.subwords = self._counts.positions = 0
        self._found = self._pipeline(
            self._documents,
            is_split_into_words=True,
            delimiter=self._joint,
            batch_size=batch_size,
        )

    def report(self) -> dict[str, Any]:
        return {"subwords": self._counts.subwords, "positions": self._counts.positions}

    def spans(self, documents: int) -> list[list[Span]]:
        found = [
            [(int(group["start"]), int(group["end"]), str(group["entity_group"])) for group in row]
            for row in self._found[:documents]
        ]
        return found if self._joint else [words_of_groups(row) for row in found]


def words_of_groups(groups: list[Span]) -> list[Span]:
    """The words that bare B and I mean; pipelines report a run of equal labels as one group."""
    words: list[Span] = []
    for start, end, label in groups:
        if label == "B" or not words:
            words += [(place, place + 1, "") for place in range(start, end)]
        else:
            words[-1] = (words[-1][0], end, "")
    return words


def count_rows(model: Any) -> Counts:
    """Counts what goes into a model from now on."""
    counts, forward = Counts(), model.forward

    @wraps(forward)
    def counted(*args: Any, **inputs: Any) -> Any:
        mask = inputs["attention_mask"]
        counts.add(int(mask.sum()), mask.shape[0] * mask.shape[1])
        return forward(*args, **inputs)

    model.forward = counted
    return counts
