"""What raw text costs in F1: CoNLL sentences written as prose against the same with given words.

    python -m nerx.benchmarks.suites.prose GOLD.conll [-m en]

Both are scored by character spans against the gold entities.
"""

import re
from collections.abc import Sequence

import click
import numpy as np

from ...engine import Tagger
from ...engine.arrays import offsets
from ...engine.labels.schemes import Scheme
from ...engine.labels.spans import find_spans
from ...engine.run.gold import Sentence, read_gold

_NO_SPACE_BEFORE = re.compile(r"[.,;:!?%)\]}]|\.\.\.|'s|'S|'|n't|'m|'ve|'re|'ll|'d")
_NO_SPACE_AFTER = ("(", "[", "{", "$", "#")

Span = tuple[int, int, int, str]  # sentence, first character, end character, type


def as_prose(words: Sequence[str]) -> tuple[str, list[int]]:
    """Writes words as prose, punctuation attached; the text, and where each word begins."""
    text, begins = "", []
    open_quote = False
    glued = True
    for word in words:
        closes = word == '"' and open_quote
        if not (glued or closes or _NO_SPACE_BEFORE.fullmatch(word)):
            text += " "
        begins.append(len(text))
        text += word
        if word == '"':
            open_quote = not open_quote
        glued = word in _NO_SPACE_AFTER or (word == '"' and open_quote)
    return text, begins


def character_spans(number: int, tags: Sequence[str], words: Sequence[str]) -> set[Span]:
    """The spans of a labelled sentence in its prose."""
    _, begins = as_prose(words)
    scheme = Scheme.from_labels(sorted(set(tags)))
    label_ids = np.array([scheme.labels.index(tag) for tag in tags], np.int32)
    spans = find_spans(label_ids, offsets(np.array([len(tags)])), scheme)
    return {
        (number, begins[first], begins[end - 1] + len(words[end - 1]), scheme.types[label])
        for first, end, label in zip(spans.first, spans.end, spans.label, strict=True)
    }


def f1(found: set[Span], gold: set[Span]) -> float:
    return 2 * len(found & gold) / (len(found) + len(gold))


def compare(tagger: Tagger, sentences: Sequence[Sentence]) -> tuple[float, float]:
    """F1 by character spans with given words, and from prose."""
    gold: set[Span] = set()
    given: set[Span] = set()
    raw: set[Span] = set()
    labelled = tagger.pipe((words for words, _ in sentences), is_split_into_words=True)
    texts = tagger.pipe(as_prose(words)[0] for words, _ in sentences)
    for number, ((words, tags), by_words, by_text) in enumerate(
        zip(sentences, labelled, texts, strict=True)
    ):
        gold |= character_spans(number, tags, words)
        given |= character_spans(number, by_words["tags"], words)
        raw |= {
            (number, entity["start"], entity["end"], entity["entity_group"])
            for entity in by_text["entities"]
        }
    return f1(given, gold), f1(raw, gold)


@click.command()
@click.argument("gold")
@click.option("-m", "--model", default="en")
def main(gold: str, model: str) -> None:
    sentences = list(read_gold(gold))
    with Tagger(model) as tagger:
        given, raw = compare(tagger, sentences)
    click.echo(f"{len(sentences):,} sentences: F1 {given:.4f} with given words, {raw:.4f} as prose")


if __name__ == "__main__":
    main()
