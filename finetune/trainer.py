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
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import PreTrainedModel, Trainer, TrainerCallback

from ..engine.errors import BackendError
from .align import IGNORED
from .recipes import Recipe


class RecipeTrainer(Trainer):
    """The Trainer with what a recipe has beyond it.

    targets: (words, labels) float16, what each word's label probabilities should be; the labels of
        the training rows are then the numbers of their words

    Layer-wise learning rates, word dropout, adversarial steps, and batches of so many subwords.
    """

    def __init__(self, recipe: Recipe, targets: torch.Tensor | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recipe, self.targets = recipe, targets
        if recipe.batch_tokens:
            lengths = [len(row["input_ids"]) for row in self.train_dataset]
            self.batches = TokenBatches(lengths, recipe.batch_tokens, self.args.seed)
            words = sum(label != IGNORED for row in self.train_dataset for label in row["labels"])
            self.words_a_batch = words / len(self.batches)

    def get_train_dataloader(self) -> DataLoader[Any]:
        if not self.recipe.batch_tokens:
            return super().get_train_dataloader()
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)

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
        if self.targets is not None and model.training:
            loss = soft_loss(model, inputs, self.targets)
        else:
            loss = super().compute_loss(model, inputs, *args, **kw)
        if self.recipe.batch_tokens and model.training:
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


def soft_loss(
    model: PreTrainedModel, inputs: dict[str, torch.Tensor], targets: torch.Tensor
) -> torch.Tensor:
    """The mean cross entropy between a model's label probabilities and those it should have.

    inputs: `labels` are the rows of `targets` that belong to the first subwords of words
    targets: (words, labels)
    """
    numbers = inputs["labels"]
    words = numbers != IGNORED
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**rest).logits[words].float()
    wanted = targets[numbers[words].to(targets.device)].to(logits)
    return torch.nn.functional.cross_entropy(logits, wanted)


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


class TokenBatches:
    """Batches of rows of like length, each of at most so many subwords with its padding.

    Their number is the same in every epoch; what is in them and their order depend on seed and
    epoch alone, so that a run resumed within an epoch goes on as it would have.
    """

    def __init__(self, lengths: list[int], batch_tokens: int, seed: int) -> None:
        self.lengths, self.seed, self.epoch = torch.tensor(lengths), seed, 0
        ordered = sorted(lengths)
        self.bounds = [0]
        for at, length in enumerate(ordered):
            if at > self.bounds[-1] and length * (at + 1 - self.bounds[-1]) > batch_tokens:
                self.bounds.append(at)
        self.bounds.append(len(ordered))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        mixed = torch.randperm(len(self.lengths), generator=generator)
        ordered = mixed[self.lengths[mixed].argsort(stable=True)]
        for batch in torch.randperm(len(self), generator=generator).tolist():
            yield ordered[self.bounds[batch] : self.bounds[batch + 1]].tolist()


class ProgressLines(TrainerCallback):
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
