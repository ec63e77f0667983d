"""Training text as users send it: sentences joined to documents, in any case, less well edited."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

from .data import Corpus

SHORTEST, LONGEST = 8, 1000  # words of a window, drawn evenly over the logarithm
CASES: tuple[tuple[float, Callable[[str], str]], ...] = (  # share of the windows, and how it reads
    (0.2, str.lower),
    (0.2, str.upper),
    (0.05, str.title),
)
NOISY = 0.2  # share of the windows whose punctuation is changed
TYPOGRAPHIC = str.maketrans({"'": "’", "-": "–"})
QUOTES = {'"': "“”", "``": "““", "''": "””"}  # odd and even ones in turn
STOPS = (".", "。")

Sentence = tuple[list[str], list[int]]  # words and their label ids


def as_documents(corpus: Corpus, views: int, seed: int) -> Corpus:
    """The corpus so many times over, each time cut anew into windows of random lengths.

    A window is consecutive sentences of one document. Some are in lower case, in capitals or in
    title case, some have typographic quotes or no final stops.
    """
    draw = random.Random(seed)

    def length() -> float:
        return SHORTEST * (LONGEST / SHORTEST) ** draw.random()

    windows = [
        _disguised(window, draw) for _ in range(views) for window in _windows(corpus, length)
    ]
    words, labels = ([window[part] for window in windows] for part in (0, 1))
    return replace(corpus, words=words, labels=labels, document_starts=[*range(len(windows))])


def _windows(corpus: Corpus, length: Callable[[], float]) -> Iterator[list[Sentence]]:
    """Consecutive sentences of one document: as many as have `length()` words, at least one."""
    for first, end in pairwise([*corpus.document_starts, len(corpus.words)]):
        begin = first
        while begin < end:
            room = length() - len(corpus.words[begin])
            stop = begin + 1
            while stop < end and len(corpus.words[stop]) <= room:
                room -= len(corpus.words[stop])
                stop += 1
            yield list(zip(corpus.words[begin:stop], corpus.labels[begin:stop], strict=True))
            begin = stop


def _disguised(sentences: list[Sentence], draw: random.Random) -> Sentence:
    """The sentences as one, in a case that is drawn, sometimes with other punctuation."""
    noisy = draw.random() < NOISY
    if noisy:
        sentences = [_without_stop(*sentence) for sentence in sentences]
    words = [word for theirs, _ in sentences for word in theirs]
    if noisy:
        words = _typographic(words)
    lot = draw.random()
    for share, change in CASES:
        if 0 <= lot < share:
            words = [change(word) for word in words]
        lot -= share
    return words, [label for _, labels in sentences for label in labels]


def _without_stop(words: list[str], labels: list[int]) -> Sentence:
    stopped = len(words) > 1 and words[-1] in STOPS
    return (words[:-1], labels[:-1]) if stopped else (words, labels)


def _typographic(words: list[str]) -> list[str]:
    changed, quotes = [], 0
    for word in words:
        if word in QUOTES:
            changed.append(QUOTES[word][quotes % 2])
            quotes += 1
        else:
            changed.append(word.translate(TYPOGRAPHIC) if len(word) > 1 else word)
    return changed
