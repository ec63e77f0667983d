"""Labels text by several models together, as training data for one that is to know what they know.

The mean of their log probabilities decides, and legal label sequences alone. One model by itself
labels faster with `nerx tag`.
Run as `python -m nerx.finetune.teach`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ..engine.arrays import begins_of
from ..engine.commands.cli import main
from ..engine.errors import ConfigError, InputError
from ..engine.labels.decoding import best_legal
from ..engine.labels.schemes import Scheme
from .align import IGNORED
from .base import SAFE, load_tokenizer, multiplies_bf16, window_length
from .data import Corpus, read_lines
from .evaluate import Rows

BATCH_SIZE = 32

Teacher = tuple[PreTrainedModel, PreTrainedTokenizerFast]


def label_together(folders: Sequence[str], text: Sequence[str]) -> list[str]:
    """Each line of a text with its labels: words joined by a space, or rows of word and tag.

    folders: token classifiers with the same labels
    text: lines; models that segment get their characters, others their words, parted by spaces

    Raises: ConfigError for a folder that holds no such model, or one with other labels;
    InputError for a text without any sentence.
    """
    teachers = load_teachers(folders)
    scheme = Scheme.from_labels(labels_of(teachers[0][0]))
    split = (lambda line: list("".join(line.split()))) if scheme.segmentation else str.split
    sentences = [words for words in map(split, text) if words]
    if not sentences:
        raise InputError("no sentence found; expected one at least")
    corpus = Corpus.empty()
    corpus.add("text", [[(words, []) for words in sentences]])
    found = sum(log_probabilities(*teacher, corpus) for teacher in teachers)
    bounds = begins_of(sentences)
    tags = [scheme.labels[number] for number in best_legal(found, bounds, scheme)]
    write = _joined if scheme.segmentation else _columns
    edges = zip(sentences, bounds[:-1], bounds[1:], strict=True)
    return [write(words, tags[first:end]) for words, first, end in edges]


def load_teachers(folders: Sequence[str]) -> list[Teacher]:
    """The token classifiers in some folders, each with its tokenizer.

    Raises: ConfigError for a folder that holds no such model, or one with other labels.
    """
    models = [_load(folder) for folder in folders]
    labels = [labels_of(model) for model in models]
    for folder, theirs in zip(folders, labels, strict=True):
        if theirs != labels[0]:
            raise ConfigError(
                f"{folder} labels {', '.join(theirs)}, but {folders[0]} {', '.join(labels[0])}"
            )
    return [(model, load_tokenizer(folder)) for model, folder in zip(models, folders, strict=True)]


def _load(folder: str) -> PreTrainedModel:
    try:
        return AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32, **SAFE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} holds no token classifier: {error}") from error


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """The names of a classifier's labels, by id."""
    return tuple(model.config.id2label[number] for number in range(model.config.num_labels))


def log_probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, corpus: Corpus
) -> NDArray[np.float32]:
    """(words, labels), the words of all sentences in order."""
    blank = replace(corpus, labels=[[0] * len(words) for words in corpus.words])
    rows = Rows.of(blank, tokenizer, window_length(tokenizer, model)).by_length()
    collate = DataCollatorForTokenClassification(tokenizer)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    found, words_of_row = [], []
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, multiplies_bf16()):
        for first in range(0, len(rows.rows), BATCH_SIZE):
            batch = collate(rows.rows[first : first + BATCH_SIZE]).to(device)
            word = batch.pop("labels") != IGNORED
            found.append(model(**batch).logits[word].float().log_softmax(-1).cpu())
            words_of_row.append(word.sum(1).cpu())
    sentence = np.repeat(rows.sentence_of_row, torch.cat(words_of_row).numpy())
    return torch.cat(found).numpy()[np.argsort(sentence, kind="stable")]


def _joined(characters: list[str], tags: list[str]) -> str:
    spaced = (
        f" {character}" if tag[0] in "BS" else character
        for character, tag in zip(characters, tags, strict=True)
    )
    return "".join(spaced).strip()


def _columns(words: list[str], tags: list[str]) -> str:
    return "".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True))


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--text", required=True, type=click.Path(path_type=Path), help="A sentence a line.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path))
def command(models: tuple[str, ...], text: Path, output: Path) -> None:
    """Label a text by MODELS, folders of token classifiers with the same labels."""
    lines = read_lines(text)
    try:
        labelled = label_together(models, lines)
    except InputError as error:
        raise InputError(f"{text}: {error}") from error
    output.write_text("\n".join(labelled) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(command)
