"""A model's labels against gold labels of any scheme."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..arrays import begins_of
from ..errors import InputError
from ..labels.schemes import Scheme
from ..labels.scoring import Scores, score
from ..labels.spans import spans_of_tags
from ..model import Model
from ..types import Ints, Record, Spans
from .gold import Sentence

_BLOCK_SENTENCES = 2000


def evaluate(model: Model, sentences: Sequence[Sentence]) -> Scores:
    """Labels the words of gold sentences and scores the result.

    The gold labels may be of another scheme than the model's, their types may not.

    Raises:
        InputError: there are no sentences, or the model knows no label for a gold span.
    """
    if not sentences:
        raise InputError("no sentences to evaluate on")
    gold = gold_labels([tags for _, tags in sentences], model.scheme)
    doc_words = begins_of([words for words, _ in sentences])
    predicted = [block.labels.label_ids for block in model.label(_blocks(sentences))]
    return score(gold, np.concatenate(predicted), doc_words, model.scheme)


def gold_labels(documents: Sequence[Sequence[str]], scheme: Scheme) -> Ints:
    """Label names of documents in any scheme as label ids of `scheme`: (words,).

    Raises:
        InputError: `scheme` has no label for a span or for a word outside all spans.
    """
    names = [name for document in documents for name in document]
    own = Scheme.from_labels(sorted(set(names)) or ["O"])
    doc_words = begins_of(documents)
    return spell(spans_of_tags(names, doc_words, own), own, len(names), scheme)


def spell(spans: Spans, own: Scheme, words: int, scheme: Scheme) -> Ints:
    """Spans whose types are those of `own` as label ids of `scheme`: (words,).

    Raises:
        InputError: `scheme` has no label for one of them.
    """
    numbers = {part: number for number, part in enumerate(scheme.parts)}
    label_ids = np.full(words, numbers.get(("O", ""), -1), np.int32)
    before = (0, -1)  # end and type of the span before
    for first, end, label in zip(
        spans.first.tolist(), spans.end.tolist(), spans.label.tolist(), strict=True
    ):
        kind = own.types[label]
        roles = _roles(end - first, scheme.name, touches=before == (first, label))
        try:
            label_ids[first:end] = [numbers[role, kind] for role in roles]
        except KeyError as error:
            raise InputError(
                f"the gold data has spans of type {kind or '(none)'}, for which the model has no"
                f" label; it has {', '.join(scheme.labels)}"
            ) from error
        before = (end, label)
    if (label_ids < 0).any():
        raise InputError(
            "the gold data has words outside all spans, the model's labels"
            f" {', '.join(scheme.labels)} put every word into one"
        )
    return label_ids


def _roles(length: int, scheme: str, *, touches: bool) -> str:
    """The role of each word of a span; `touches`: right behind one of its own type."""
    if scheme == "plain":
        return "T" * length
    if scheme == "iob1":
        return ("B" if touches else "I") + "I" * (length - 1)
    if scheme == "iob2":
        return "B" + "I" * (length - 1)
    return "S" if length == 1 else "B" + "I" * (length - 2) + "E"


def _blocks(sentences: Sequence[Sentence]) -> Iterable[list[Record]]:
    for begin in range(0, len(sentences), _BLOCK_SENTENCES):
        part = sentences[begin : begin + _BLOCK_SENTENCES]
        yield [Record(b"", 1, 0, tokens=words) for words, _ in part]
