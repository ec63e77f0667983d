"""F1 of the built-in models, or of others, on sentences, whole documents, lower case and capitals.

Run as `python -m nerx.benchmarks.score_models MODEL GOLD`. Labels are those of `nerx tag`.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import click

from ..engine.bundles.find import find_bundle
from ..engine.model import Model
from ..engine.run.evaluation import evaluate
from ..engine.run.gold import Sentence, read_documents

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


@click.command()
@click.argument("model")
@click.argument("gold")
def command(model: str, gold: str) -> None:
    """Score MODEL on GOLD, in several forms."""
    documents = list(read_documents(gold))
    with Model(find_bundle(model)) as loaded:
        for name, records in variants(documents):
            total = evaluate(loaded, records).total
            click.echo(
                f"{model}  {name:10}  {len(records):6,} records  precision {total.precision:.4f}  "
                f"recall {total.recall:.4f}  F1 {total.f1:.4f}"
            )


if __name__ == "__main__":
    command()
