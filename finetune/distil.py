"""What a student learns from: the probabilities that its teachers give each label of each word."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine.arrays import begins_of
from ..engine.bundles.find import held_bundle
from ..engine.errors import ConfigError, InputError
from ..engine.labels.decoding import softmax
from ..engine.labels.schemes import Scheme
from ..engine.model import Model
from ..engine.text.words import cut_words
from ..engine.types import Record
from .data import Corpus, read_corpus, read_lines
from .recipes import Training
from .teach import Teacher, log_probabilities

GOLD_SHARE = 0.5  # of a word's target where its label is known; the rest is what the teachers say
BLOCK = 2000  # sentences that a teacher labels at once
HELD_BACK = 20  # the last line in so many of each text is dev data where none is given
UNKNOWN = -1  # the label of a word without one


def read_lesson(run: Training) -> tuple[Corpus, Corpus]:
    """A run's gold data and text, and its dev data: without gold, the end of the text.

    What has no label yet is UNKNOWN.

    Raises: InputError for a file that cannot be used; ConfigError where there is none.
    """
    if not run.train and not run.text:
        raise ConfigError("nothing to learn from; give text by --text, or gold data by --train")
    if not run.dev and not run.text:
        raise ConfigError("no dev data; give some by --dev, or text by --text, whose end is taken")
    train = read_corpus(run.train, "train", run.recipe.labels)
    dev = read_corpus(run.dev, "dev", run.recipe.labels)
    scheme = Scheme.from_labels(run.recipe.labels)
    for path in run.text:
        lines = [_words(line, scheme) for line in read_lines(Path(path))]
        sentences = [(words, [UNKNOWN] * len(words)) for words in lines if words]
        if not sentences:
            raise InputError(f"{path}: no text found; expected a sentence or a document a line")
        end = len(sentences) if run.dev else len(sentences) - -(-len(sentences) // HELD_BACK)
        if end:
            train.add(path, [sentences[:end]])
        if not run.dev:
            dev.add(path, [sentences[end:]])
    return train, dev


def _words(line: str, scheme: Scheme) -> list[str]:
    """The words of a line, by the rule of `nerx tag`."""
    if scheme.segmentation:
        return list("".join(line.split()))
    first, end, _ = cut_words(line)
    return [line[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


def teach(
    run: Training, teachers: Sequence[Teacher], train: Corpus, dev: Corpus
) -> tuple[Corpus, Corpus, torch.Tensor]:
    """The training data with the numbers of its words as labels, dev data with labels, and targets.

    The targets are kept in a file, so that a run that goes on need not wait for the teachers again.

    Returns targets of (words, labels) float16: what the probabilities of each word should be.
    """
    kept = run.work / "targets.npy"
    if not kept.exists():
        np.save(kept, soft_targets(run, teachers, train))
    if dev.labels[0][0] == UNKNOWN:
        best = soft_targets(run, teachers, dev).argmax(axis=1).tolist()
        dev = replace(dev, labels=[best[first:end] for first, end in _edges(dev)])
    numbers = [[*range(first, end)] for first, end in _edges(train)]
    return replace(train, labels=numbers), dev, torch.from_numpy(np.load(kept))


def soft_targets(run: Training, teachers: Sequence[Teacher], corpus: Corpus) -> NDArray[np.float16]:
    """(words, labels): the mean of the teachers' probabilities, and of the gold label if known."""
    targets = np.mean(
        [_probabilities(*one, corpus) for one in zip(run.teachers, teachers, strict=True)], axis=0
    )
    gold = np.concatenate([np.array(labels) for labels in corpus.labels])
    known = np.flatnonzero(gold != UNKNOWN)
    targets[known] *= 1 - GOLD_SHARE
    targets[known, gold[known]] += GOLD_SHARE
    return targets.astype(np.float16)


def _probabilities(name: str, teacher: Teacher, corpus: Corpus) -> NDArray[np.float32]:
    """(words, labels): what a teacher says; a bundle says it through the engine, much faster."""
    bundle = held_bundle(name)
    if not bundle:
        return np.exp(log_probabilities(*teacher, corpus))
    records = [Record(raw=b"", line=0, offset=0, tokens=words) for words in corpus.words]
    with Model(bundle) as model:
        blocks = (records[at : at + BLOCK] for at in range(0, len(records), BLOCK))
        return np.concatenate(
            [softmax(model.labeller.logits(model.encoder.encode(block))) for block in blocks]
        )


def _edges(corpus: Corpus) -> list[tuple[int, int]]:
    """The first word of each sentence, and the one behind its last."""
    return list(pairwise(begins_of(corpus.words).tolist()))
