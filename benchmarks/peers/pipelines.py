"""What the peers have in common, and Hugging Face token classification pipelines."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..labels import Span

Documents = list[list[str]]


class PeerDriver:
    """A peer, given words so that all label the same.

    model: what it runs, whose rows are counted
    label: labels what `prepared` makes of documents, in batches of so many rows
    spans_of: the spans in what `label` gives for a document
    """

    def __init__(
        self,
        model: Any,
        label: Callable[[Any, int], list[Any]],
        spans_of: Callable[[Any], list[Span]],
        facts: dict[str, Any],
        prepared: Callable[[Documents], Any] = lambda documents: documents,
    ) -> None:
        self.facts = facts
        self._counts = count_rows(model)
        self._label, self._spans_of, self._prepared = label, spans_of, prepared
        self._documents: Any = []
        self._found: list[Any] = []

    def prepare(self, documents: Documents, copies: int) -> None:
        self._documents = self._prepared(documents) * copies

    def run(self, batch_size: int) -> None:
        self._counts.update(subwords=0, positions=0)
        self._found = self._label(self._documents, batch_size)

    def report(self) -> dict[str, Any]:
        return dict(self._counts)

    def spans(self, documents: int) -> list[list[Span]]:
        return [self._spans_of(one) for one in self._found[:documents]]


def pipeline_driver(pipeline: Any, joint: str, facts: dict[str, Any]) -> PeerDriver:
    """A pipeline with aggregation strategy "first"."""

    def label(documents: Documents, batch_size: int) -> list[Any]:
        found: list[Any] = pipeline(
            documents, is_split_into_words=True, delimiter=joint, batch_size=batch_size
        )
        return found

    def spans_of(groups: list[dict[str, Any]]) -> list[Span]:
        spans = [(int(g["start"]), int(g["end"]), str(g["entity_group"])) for g in groups]
        return spans if joint else words_of_groups(spans)

    return PeerDriver(pipeline.model, label, spans_of, facts)


def words_of_groups(groups: list[Span]) -> list[Span]:
    """The words that bare B and I mean; pipelines report a run of equal labels as one group."""
    words: list[Span] = []
    for start, end, label in groups:
        if label == "B" or not words:
            words += [(place, place + 1, "") for place in range(start, end)]
        else:
            words[-1] = (words[-1][0], end, "")
    return words


def count_rows(model: Any) -> dict[str, int]:
    """Counts the subwords that a model gets from now on, and the positions they are padded to."""
    counts, forward = {"subwords": 0, "positions": 0}, model.forward

    @wraps(forward)
    def counted(*args: Any, **inputs: Any) -> Any:
        mask = inputs["attention_mask"]
        counts["subwords"] += int(mask.sum())
        counts["positions"] += mask.shape[0] * mask.shape[1]
        return forward(*args, **inputs)

    model.forward = counted
    return counts
