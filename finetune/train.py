"""A recipe, data and a base in; a finished model folder out, also after a kill."""

import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainingArguments,
    set_seed,
)

from ..engine.errors import BackendError, ConfigError
from .base import load_model, load_tokenizer, multiplies_bf16, window_length
from .card import write_card
from .data import Corpus, read_corpus, read_labels
from .distil import read_lesson, teach
from .documents import as_documents
from .evaluate import Rows, evaluate_folder, metrics_of
from .recipes import Recipe, Training
from .report import report_of
from .student import cut
from .teach import Teacher, labels_of, load_teachers
from .trainer import ProgressLines, RecipeTrainer

# A checkpoint holds the weights and Adam's two moments; the Trainer keeps two and writes a third.
CHECKPOINT_BYTES_PER_PARAMETER = 12
CHECKPOINTS = 3


def finetune(run: Training, *, force: bool = False) -> dict[str, Any]:
    """Trains, or goes on with a run that was stopped; returns what metrics.json holds.

    Raises: ConfigError, InputError before the first step; BackendError when a step fails.
    """
    if run.output.exists() and not force:
        raise ConfigError(f"{run.output} exists; give another -o, or --force to replace it")
    if run.output.exists() and not (run.output / "metrics.json").is_file():
        raise ConfigError(f"{run.output} was not made by nerx finetune; remove it, or another -o")
    if not run.base and not run.recipe.distilled:
        raise ConfigError("no model to start from; give an encoder by --base")
    if run.recipe.distilled and not run.teachers:
        raise ConfigError(f"{run.recipe.name} learns from other models; give some by --teacher")
    if run.recipe.bf16 is None:
        run = replace(run, recipe=replace(run.recipe, bf16=multiplies_bf16()))
    set_seed(run.recipe.seed)
    teachers = load_teachers([*run.teachers.values()])
    if not run.recipe.labels:
        labels = labels_of(teachers[0][0]) if teachers else read_labels(run.train)
        run = replace(run, recipe=replace(run.recipe, labels=labels))
    tokenizer, model = _start(run, teachers)
    train_corpus, dev_corpus = read_lesson(run) if teachers else _read_gold(run)
    _open_work_folder(run, train_corpus, dev_corpus, model, force)
    targets = None
    if teachers:
        train_corpus, dev_corpus, targets = teach(run, teachers, train_corpus, dev_corpus)
        del teachers
    if views := run.recipe.views:
        train_corpus = as_documents(train_corpus, views, run.recipe.seed)
    max_length = window_length(tokenizer, model)
    train = Rows.of(train_corpus, tokenizer, max_length)
    dev = Rows.of(dev_corpus, tokenizer, max_length)
    if run.recipe.batch_tokens:
        dev = dev.by_length()

    trainer = _trainer(run, model, tokenizer, train, dev, targets)
    checkpoint = last_checkpoint(run.work / "checkpoints")
    began = time.monotonic()
    with _failures_explained(trainer):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        seconds = time.monotonic() - began
        folder = run.work / "model"
        model.save_pretrained(folder)  # not the Trainer's save: it adds a pickle
        tokenizer.save_pretrained(folder)
        final = evaluate_folder(folder, run.recipe, dev)
        report = report_of(run, train, dev, final, trainer.state, seconds, bool(checkpoint))
        write_card(folder, report)
        _publish(run)
    return report


def _start(
    run: Training, teachers: list[Teacher]
) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """The tokenizer, and the model before its first step."""
    if run.base:
        return load_tokenizer(run.base, run.revision), load_model(
            run.recipe, run.base, run.revision
        )
    model, tokenizer = teachers[0]
    recipe = run.recipe
    assert recipe.student_layers is not None
    assert recipe.student_width is not None
    sizes = (recipe.student_layers, recipe.student_width, recipe.student_inner)
    # None is no dropout here: what few steps on soft targets are short of is time, not noise.
    dropout = (recipe.hidden_dropout or 0.0, recipe.attention_dropout or 0.0)
    return tokenizer, cut(model, *sizes, recipe.attention, dropout)


def _read_gold(run: Training) -> tuple[Corpus, Corpus]:
    train = read_corpus(run.train, "train", run.recipe.labels)
    return train, read_corpus(run.dev, "dev", run.recipe.labels)


@contextmanager
def _failures_explained(trainer: RecipeTrainer) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # full disk, out of memory
        raise BackendError(
            f"training stopped at step {trainer.state.global_step}: {error}; "
            "the same command goes on from the last checkpoint"
        ) from error


def _trainer(
    run: Training,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    train: Rows,
    dev: Rows,
    targets: torch.Tensor | None,
) -> RecipeTrainer:
    trainer = RecipeTrainer(
        run.recipe,
        targets,
        model=model,
        args=_arguments(run),
        train_dataset=train.rows,
        eval_dataset=dev.rows,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
        compute_metrics=metrics_of(dev, run.recipe),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
        callbacks=[ProgressLines()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(run: Training) -> TrainingArguments:
    recipe = run.recipe
    strategy = "epoch" if recipe.eval_steps is None else "steps"
    # A run shorter than one interval is evaluated at its end.
    every = min(recipe.eval_steps or 500, run.max_steps or recipe.eval_steps or 500)
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(run.work / "checkpoints"),
        num_train_epochs=recipe.epochs,
        max_steps=run.max_steps or -1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        **_warmup(recipe),
        per_device_train_batch_size=recipe.train_batch_size,
        per_device_eval_batch_size=recipe.eval_batch_size,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        adam_epsilon=recipe.adam_epsilon,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        seed=recipe.seed,
        full_determinism=cuda,
        bf16=recipe.bf16,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        eval_strategy=strategy,
        save_strategy=strategy,
        eval_steps=every,
        save_steps=every,
        save_total_limit=CHECKPOINTS - 1,
        load_best_model_at_end=recipe.keep_best,
        metric_for_best_model="f1",
        logging_steps=min(100, math.ceil((run.max_steps or 1000) / 10)),
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
    )


def _warmup(recipe: Recipe) -> dict[str, float]:
    """The share of steps in which the rate rises, by the name that this transformers has for it."""
    known = TrainingArguments.__dataclass_fields__
    return {"warmup_ratio" if "warmup_ratio" in known else "warmup_steps": recipe.warmup_ratio}


def _open_work_folder(
    run: Training, train: Corpus, dev: Corpus, model: PreTrainedModel, force: bool
) -> None:
    """Makes the folder for checkpoints, or finds that of the same run to go on with.

    Raises: ConfigError where the folder belongs to another run or the disk is too small.
    """
    record = run.work / "run.json"
    settings = {
        **{name: str(value) for name, value in asdict(run.recipe).items()},
        "max_steps": str(run.max_steps),
        "base": str(run.base),
        "teachers": ", ".join(run.teachers),
        "train": str(train.sha256 or run.train),
        "dev": str(dev.sha256 or run.dev),
    }
    if record.exists():
        before = json.loads(record.read_text(encoding="utf-8"))
        if before == settings:
            return
        changed = [name for name in settings if before.get(name) != settings[name]]
        if not force:
            raise ConfigError(
                f"{run.work} holds a stopped run with other {', '.join(changed)}; "
                "repeat its options to go on, or --force to start again"
            )
        shutil.rmtree(run.work)
    try:
        run.work.mkdir(parents=True, exist_ok=True)
        _check_disk(run.work, model)
        record.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write to {run.work}: {error.strerror}; give another -o"
        ) from error


def _check_disk(folder: Path, model: PreTrainedModel) -> None:
    needed = model.num_parameters() * CHECKPOINT_BYTES_PER_PARAMETER * CHECKPOINTS
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"{free / 1e9:.1f} GB free at {folder}, but checkpoints take {needed / 1e9:.1f} GB; "
            "free space or give another -o"
        )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end: its state is the last file."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step_of, reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return path
    return None


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _publish(run: Training) -> None:
    """Moves the finished model to its place, whole, and drops the checkpoints."""
    if run.output.exists():
        shutil.rmtree(run.output)
    os.replace(run.work / "model", run.output)
    shutil.rmtree(run.work)
