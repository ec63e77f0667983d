"""Gold text with other names in it, as more training data for models of entities.

Each entity makes room for another one of its type and length, the same one throughout a document,
drawn from those of the whole corpus. Source: "mention replacement" in Dai and Adel, "An Analysis of
Simple Data Augmentation for Named Entity Recognition" (2020).
Run as `python -m nerx.finetune.swap`.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from ..engine.commands.cli import main
from ..engine.labels.schemes import Scheme
from ..engine.labels.spans import spans_of_tags
from ..engine.run.gold import Sentence, read_documents

Name = tuple[str, ...]  # the words of an entity


def swapped(documents: Sequence[Sequence[Sentence]], seed: int) -> Iterator[list[Sentence]]:
    """The documents with every entity replaced; their tags stay as they are."""
    scheme = Scheme.from_labels(
        sorted({tag for document in documents for _, tags in document for tag in tags})
    )
    names: dict[tuple[int, int], dict[Name, None]] = {}  # by type and length, each once
    for document in documents:
        for words, tags in document:
            for first, end, kind in _entities(tags, scheme):
                names.setdefault((kind, end - first), {})[tuple(words[first:end])] = None
    pools = {key: list(theirs) for key, theirs in names.items()}
    draw = random.Random(seed)
    for document in documents:
        chosen: dict[tuple[int, Name], Name] = {}
        others = []
        for words, tags in document:
            changed = list(words)
            for first, end, kind in _entities(tags, scheme):
                name = tuple(words[first:end])
                if (kind, name) not in chosen:
                    chosen[kind, name] = draw.choice(pools[kind, end - first])
                changed[first:end] = _in_capitals_too(name, chosen[kind, name])
            others.append((changed, tags))
        yield others


def _entities(tags: Sequence[str], scheme: Scheme) -> Iterator[tuple[int, int, int]]:
    """First word, end and type of each entity of a sentence."""
    spans = spans_of_tags(tags, np.array([0]), scheme)
    return zip(spans.first.tolist(), spans.end.tolist(), spans.label.tolist(), strict=True)


def _in_capitals_too(before: Name, after: Name) -> Name:
    return tuple(map(str.upper, after)) if " ".join(before).isupper() else after


@click.command()
@click.argument("gold")
@click.option("--copies", default=1, show_default=True, help="Each with other names.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path))
def command(gold: str, copies: int, output: Path) -> None:
    """Write copies of GOLD with other names in it, as CoNLL rows of word and tag."""
    documents = list(read_documents(gold))
    with output.open("w", encoding="utf-8") as file:
        for seed in range(copies):
            for document in swapped(documents, seed):
                file.write("-DOCSTART- O\n\n")
                for words, tags in document:
                    rows = (f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True))
                    file.write("".join(rows) + "\n")


if __name__ == "__main__":
    main(command)
