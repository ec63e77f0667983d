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
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import PredictionOutput

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


def predict(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    rows: Rows,
    batch_size: int,
    values: Callable[[torch.Tensor], torch.Tensor],
    *,
    bf16: bool = False,
) -> PredictionOutput:
    """What a model says of each position: `values` of its logits, (rows, subwords, ...)."""
    with TemporaryDirectory() as scratch:
        return Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=scratch,
                per_device_eval_batch_size=batch_size,
                bf16=bf16,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=torch.cuda.is_available(),
                disable_tqdm=True,
                report_to=[],
            ),
            data_collator=DataCollatorForTokenClassification(tokenizer),
            preprocess_logits_for_metrics=lambda logits, labels: values(logits),
        ).predict(rows.rows)


def evaluate_folder(folder: Path, recipe: Recipe, dev: Rows) -> Evaluation:
    """Scores a saved model in fp32, read back from disk as its users will read it."""
    output = predict(
        AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32),
        load_tokenizer(str(folder)),
        dev,
        recipe.eval_batch_size,
        lambda logits: logits.argmax(dim=-1),
    )
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
