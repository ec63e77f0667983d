"""The `transformers` model alone, padded, as `torch.compile` makes it: equal batches, no engine."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from ...engine.bundle import Bundle
from ...engine.types import Batch
from ..driver import Task
from .alone import AloneDriver
from .checkpoint import checkpoint_of

_DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def open_driver(task: Task) -> AloneDriver:
    """Loads a bundle's weights; on a CPU the model is not compiled."""
    model = AutoModelForTokenClassification.from_pretrained(
        checkpoint_of(task.model), dtype=_DTYPES[task.precision]
    )
    model = model.eval().to(task.device)
    if task.device != "cpu":
        model = torch.compile(model, dynamic=True)

    def run(batch: Batch) -> Any:
        with torch.inference_mode():
            ids, mask = (
                torch.from_numpy(part).to(task.device, non_blocking=True)
                for part in (batch.input_ids, batch.attention_mask)
            )
            return model(input_ids=ids, attention_mask=mask).logits.softmax(-1).max(-1)

    facts: dict[str, Any] = {"version": version("torch"), "transformers": version("transformers")}
    facts |= {"device": task.device, "streams": 1}
    return AloneDriver(
        Bundle.load(Path(task.model)),
        run,
        task.batch_tokens,
        facts,
        finish=lambda best: best.indices.cpu(),
    )
