"""The Hugging Face Trainer with what the recipes ask for beyond it."""

import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import Sampler, SequentialSampler
from transformers import PreTrainedModel, Trainer, TrainerCallback

from ..engine.errors import BackendError
from .align import IGNORED
from .recipes import Recipe

BATCHES_A_POOL = 50  # rows of so many batches are sorted by length together


class RecipeTrainer(Trainer):
    """The Trainer with what a recipe has beyond it.

    Layer-wise learning rates, word dropout, adversarial steps, and a resumable length grouping.
    """

    def __init__(self, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recipe = recipe
        if recipe.group_by_length:
            words = sum(label != IGNORED for row in self.train_dataset for label in row["labels"])
            self.words_a_batch = words / len(self.train_dataset) * self.args.train_batch_size

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        if not self.recipe.group_by_length:
            return super()._get_train_sampler(train_dataset)
        lengths = [len(row["input_ids"]) for row in self.train_dataset]
        return LengthGroupedSampler(lengths, self.args.train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int]:
        return SequentialSampler(eval_dataset)

    def create_optimizer(self) -> torch.optim.Optimizer:
        if self.optimizer is None:
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            decayed = self.get_decay_parameter_names(self.model)
            groups = parameter_groups(self.model, self.recipe, decayed)
            self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    def training_step(self, model: Any, inputs: dict[str, torch.Tensor], *args: Any) -> Any:
        if self.recipe.word_dropout:  # here, not in the collator, which runs a batch ahead
            inputs = {**inputs, "input_ids": self._drop_words(**inputs)}
        loss = super().training_step(model, inputs, *args)
        if self.recipe.adversarial_step:
            with moved_uphill(model.get_input_embeddings().weight, self.recipe.adversarial_step):
                super().training_step(model, inputs, *args)
        if not math.isfinite(loss):
            raise BackendError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; "
                "try a lower --set learning_rate, or --no-bf16"
            )
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], *args: Any, **kw: Any
    ) -> Any:
        """The mean over the batch's words; in batches of unlike lengths every word weighs alike."""
        loss = super().compute_loss(model, inputs, *args, **kw)
        if self.recipe.group_by_length and model.training:
            return loss * ((inputs["labels"] != IGNORED).sum() / self.words_a_batch)
        return loss

    def _drop_words(
        self, input_ids: torch.Tensor, labels: torch.Tensor, **_: torch.Tensor
    ) -> torch.Tensor:
        tokenizer = self.processing_class
        return drop_words(
            input_ids,
            labels,
            share=self.recipe.word_dropout,
            unknown_id=tokenizer.unk_token_id,
            special_ids=torch.tensor(tokenizer.all_special_ids),
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise BackendError(
                f"could not write the checkpoint of step {self.state.global_step} to "
                f"{self.args.output_dir}: {error}; free space, then run again to go on"
            ) from error


def parameter_groups(
    model: PreTrainedModel, recipe: Recipe, decayed: list[str]
) -> list[dict[str, Any]]:
    """The optimizer's groups: one for each learning rate, with and without weight decay."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = rate_of(name, recipe, model.config.num_hidden_layers)
        decay = recipe.weight_decay if name in decayed else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def rate_of(parameter: str, recipe: Recipe, layers: int) -> float:
    """The learning rate of a parameter, by its name in a Hugging Face model of so many layers."""
    if parameter.startswith("classifier."):
        return recipe.head_learning_rate or recipe.learning_rate
    if found := re.search(r"\.layer\.(\d+)\.", parameter):
        return recipe.learning_rate * recipe.layer_decay ** (layers - 1 - int(found[1]))
    if ".embeddings." in parameter:
        return recipe.learning_rate * recipe.layer_decay**layers
    return recipe.learning_rate  # ALBERT's one shared layer


def drop_words(
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    *,
    share: float,
    unknown_id: int,
    special_ids: torch.Tensor,
) -> torch.Tensor:
    """Replaces a share of the words, all subwords of each, by the unknown token.

    input_ids, labels: (rows, subwords) integers; a word begins where its label is not -100
    """
    word = (labels != IGNORED).cumsum(dim=1)
    dropped = torch.rand(word.shape[0], word.shape[1] + 1).to(word.device) < share
    special = torch.isin(input_ids, special_ids.to(input_ids.device))
    return input_ids.masked_fill(dropped.gather(1, word) & ~special, unknown_id)


@contextmanager
def moved_uphill(weight: torch.nn.Parameter, length: float) -> Iterator[None]:
    """Moves a weight so far along its gradient, where the loss is higher, for the time being.

    What the model learns there besides makes it smoother. Source: the fast gradient method, in
    Miyato et al., "Adversarial Training Methods for Semi-Supervised Text Classification" (2017).
    """
    before = weight.detach().clone()
    with torch.no_grad():
        weight += weight.grad * (length / weight.grad.norm().clamp_min(1e-12))
    yield
    with torch.no_grad():
        weight.copy_(before)


class LengthGroupedSampler(Sampler[int]):
    """Batches of rows of like length, in a random order that depends on seed and epoch alone.

    The Trainer's own sampler leaves the batches sorted, so that headlines follow headlines, and
    draws from the global generator, so that a run resumed within an epoch sees another order.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        pools = order.split(self.batch_size * BATCHES_A_POOL)
        batches = [batch for pool in pools for batch in self._by_length(pool)]
        last = batches.pop()  # the Trainer cuts the stream into batches: a short one must be last
        shuffled = torch.randperm(len(batches), generator=generator)
        return iter(torch.cat([*(batches[at] for at in shuffled), last]).tolist())

    def _by_length(self, pool: torch.Tensor) -> tuple[torch.Tensor, ...]:
        lengths = torch.tensor(self.lengths)[pool]
        return pool[lengths.argsort(stable=True)].split(self.batch_size)


class Progress(TrainerCallback):
    """A line on stderr whenever the Trainer logs: step, loss or F1, and the time left."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began, self._first_step = time.monotonic(), state.global_step

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        shown = {
            "loss": logs.get("loss"),
            "dev loss": logs.get("eval_loss"),
            "dev F1": logs.get("eval_f1"),
        }
        figures = "  ".join(f"{k} {v:.4f}" for k, v in shown.items() if v is not None)
        if not figures:
            return
        done = state.global_step - self._first_step
        left = state.max_steps - state.global_step
        minutes = (time.monotonic() - self._began) / max(done, 1) * left / 60
        print(
            f"step {state.global_step}/{state.max_steps}  epoch {state.epoch:.2f}  {figures}  "
            f"{minutes:.1f} min left",
            file=sys.stderr,
            flush=True,
        )
