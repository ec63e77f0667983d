"""What metrics.json says about a run: everything needed to judge it and to repeat it."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerState

from ..engine.run.memory import peak_memory_mb
from .evaluate import Evaluation, Rows
from .metrics import as_dict
from .recipes import Training

PACKAGES = ("torch", "transformers", "tokenizers", "nerx-engine")


def report_of(
    run: Training,
    train: Rows,
    dev: Rows,
    final: Evaluation,
    state: TrainerState,
    seconds: float,
    resumed: bool,
) -> dict[str, Any]:
    """The content of metrics.json; scores are fractions of one."""
    base = run.base or next(iter(run.teachers))
    local = run.base is None or Path(base).exists()
    return {
        "recipe": run.recipe.name,
        "task": run.recipe.task,
        "language": run.recipe.language,
        "hyperparameters": asdict(run.recipe),
        "overrides": run.overrides,
        "base": Path(base).name if local else base,
        "revision": run.revision,
        "base_model": None if local else base,  # on the hub
        "teachers": [Path(name).name for name in run.teachers],
        "steps": state.global_step,
        "epochs": state.epoch,
        "kept_step": (state.best_global_step if run.recipe.keep_best else None)
        or state.global_step,
        "resumed": resumed,
        "dev": {"loss": final.loss, **as_dict(final.total)},
        "dev_by_type": {
            kind: {"precision": s.precision, "recall": s.recall, "f1": s.f1, "spans": s.gold}
            for kind, s in final.total.by_type.items()
        },
        "dev_by_file": {Path(name).name: as_dict(s) for name, s in final.by_file.items()},
        "history": state.log_history,
        "data": {"train": _files(train), "dev": _files(dev)},
        "seconds": round(seconds, 1),
        "peak_memory_bytes": _peak_memory_bytes(),
        "device": _device(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }


def _files(rows: Rows) -> list[dict[str, Any]]:
    corpus = rows.corpus
    return [
        {"file": Path(source).name, "sentences": sentences, "sha256": corpus.sha256.get(source)}
        for source, sentences in corpus.sources.items()
    ]


def _peak_memory_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return round(peak_memory_mb() * 1e6)


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
