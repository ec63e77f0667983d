"""F1 of the built-in models, or of others, on sentences, whole documents, lower case and capitals.

Run as `python -m nerx.benchmarks.score_models MODEL GOLD`. Labels are those of `nerx tag`. Where
spaces part words, the sentences are also written as prose, whose entities are counted by character
spans: what raw text costs.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain

import click
import numpy as np

from ..engine import Tagger
from ..engine.bundles.find import find_bundle
from ..engine.labels.schemes import Scheme
from ..engine.labels.scoring import Score
from ..engine.labels.spans import spans_of_tags
from ..engine.model import Model
from ..engine.run.evaluation import evaluate
from ..engine.run.gold import Sentence, read_documents

_NO_SPACE_BEFORE = re.compile(r"[.,;:!?%)\]}]|\.\.\.|'s|'S|'|n't|'m|'ve|'re|'ll|'d")
_NO_SPACE_AFTER = ("(", "[", "{", "$", "#")
SENTENCES = 20  # of a document, where the gold data does not say where one ends


def variants(documents: Sequence[Sequence[Sentence]]) -> Iterator[tuple[str, list[Sentence]]]:
    """The same gold data as it may come: a name, and the records."""
    sentences = list(chain.from_iterable(documents))
    if len(documents) == 1:
        starts = range(0, len(sentences), SENTENCES)
        documents = [sentences[at : at + SENTENCES] for at in starts]
    yield "sentences", sentences
    yield "documents", [_joined(document) for document in documents]
    if any(word != word.lower() for words, _ in sentences for word in words):
        yield "lower case", [([*map(str.lower, words)], tags) for words, tags in sentences]
        yield "capitals", [([*map(str.upper, words)], tags) for words, tags in sentences]


def _joined(sentences: Sequence[Sentence]) -> Sentence:
    return [w for words, _ in sentences for w in words], [t for _, tags in sentences for t in tags]


def as_prose(words: Sequence[str]) -> tuple[str, list[int]]:
    """Writes words as prose, punctuation attached; the text, and where each word begins."""
    text, begins = "", []
    open_quote, glued = False, True
    for word in words:
        closes = word == '"' and open_quote
        if not (glued or closes or _NO_SPACE_BEFORE.fullmatch(word)):
            text += " "
        begins.append(len(text))
        text += word
        open_quote ^= word == '"'
        glued = word in _NO_SPACE_AFTER or (word == '"' and open_quote)
    return text, begins


def score_prose(model: str, sentences: Sequence[Sentence]) -> Score:
    """Entities in prose beside the gold ones, by character spans."""
    scheme = Scheme.from_labels(sorted({tag for _, tags in sentences for tag in tags}))
    written = [as_prose(words) for words, _ in sentences]
    correct = predicted = gold = 0
    with Tagger(model) as tagger:
        found = tagger.pipe(text for text, _ in written)
        for (words, tags), (_, begins), one in zip(sentences, written, found, strict=True):
            spans = spans_of_tags(tags, np.array([0]), scheme)
            expected = {
                (begins[first], begins[end - 1] + len(words[end - 1]), scheme.types[label])
                for first, end, label in zip(spans.first, spans.end, spans.label, strict=True)
            }
            own = {(e["start"], e["end"], e["entity_group"]) for e in one["entities"]}
            correct += len(own & expected)
            predicted, gold = predicted + len(own), gold + len(expected)
    return Score(correct, predicted, gold)


@click.command()
@click.argument("model")
@click.argument("gold")
def command(model: str, gold: str) -> None:
    """Score MODEL on GOLD, in several forms."""
    documents = list(read_documents(gold))
    with Model(find_bundle(model)) as loaded:
        segmentation = loaded.scheme.segmentation
        for name, records in variants(documents):
            _show(model, name, len(records), evaluate(loaded, records).total)
    if not segmentation:
        sentences = list(chain.from_iterable(documents))
        _show(model, "prose", len(sentences), score_prose(model, sentences))


def _show(model: str, name: str, records: int, total: Score) -> None:
    click.echo(
        f"{model}  {name:10}  {records:6,} records  precision {total.precision:.4f}  "
        f"recall {total.recall:.4f}  F1 {total.f1:.4f}"
    )


if __name__ == "__main__":
    command()
