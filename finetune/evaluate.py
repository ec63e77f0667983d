"""Dev data as the Trainer takes it, and the scores of a model on it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from ..engine.labels.schemes import Scheme
from ..engine.labels.scoring import Scores
from .align import encode
from .base import load_tokenizer
from .data import Corpus
from .metrics import as_dict, score_rows
from .recipes import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A corpus as the Trainer takes it; the windows of one sentence are neighbours."""

    corpus: Corpus
    rows: list[dict[str, list[int]]]
    sentence_of_row: np.ndarray  # (rows,)

    @classmethod
    def of(cls, corpus: Corpus, tokenizer: PreTrainedTokenizerFast, max_length: int) -> "Rows":
        rows, sentence_of_row = encode(corpus.words, corpus.labels, tokenizer, max_length)
        return cls(corpus=corpus, rows=rows, sentence_of_row=np.array(sentence_of_row))

    def by_length(self) -> "Rows":
        """The same rows, shortest sentences first, so that batches need little padding."""
        longest = np.zeros(len(self.corpus.words), int)
        np.maximum.at(longest, self.sentence_of_row, [len(row["input_ids"]) for row in self.rows])
        order = np.argsort(longest[self.sentence_of_row], kind="stable")
        return replace(
            self,
            rows=[self.rows[at] for at in order],
            sentence_of_row=self.sentence_of_row[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of a finished model on the dev data."""

    total: Scores
    loss: float
    by_file: dict[str, Scores]


def metrics_of(dev: Rows, recipe: Recipe) -> Callable[[EvalPrediction], dict[str, float]]:
    """What the Trainer calls after each evaluation of `dev`, with label ids as predictions."""
    scheme = Scheme.from_labels(recipe.labels)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        return as_dict(
            score_rows(prediction.predictions, prediction.label_ids, dev.sentence_of_row, scheme)
        )

    return compute_metrics


def evaluate_folder(folder: Path, recipe: Recipe, dev: Rows) -> Evaluation:
    """Scores a saved model in fp32, read back from disk as its users will read it."""
    with TemporaryDirectory() as scratch:
        output = Trainer(
            model=AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32),
            args=TrainingArguments(
                output_dir=scratch,
                per_device_eval_batch_size=recipe.eval_batch_size,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=torch.cuda.is_available(),
                disable_tqdm=True,
                report_to=[],
            ),
            data_collator=DataCollatorForTokenClassification(load_tokenizer(str(folder))),
            preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
        ).predict(dev.rows)
    scheme = Scheme.from_labels(recipe.labels)

    def scores_between(first: int, end: int) -> Scores:
        here = (dev.sentence_of_row >= first) & (dev.sentence_of_row < end)
        sentences = dev.sentence_of_row[here]
        return score_rows(output.predictions[here], output.label_ids[here], sentences, scheme)

    edges = np.cumsum([0, *dev.corpus.sources.values()])
    return Evaluation(
        total=scores_between(0, edges[-1]),
        loss=output.metrics["test_loss"],
        by_file={
            source: scores_between(first, end)
            for source, (first, end) in zip(dev.corpus.sources, pairwise(edges), strict=True)
        },
    )
