"""The `transformers` pipeline on PyTorch."""

from importlib.metadata import version

from ..driver import Driver, Task
from .checkpoint import checkpoint_of
from .pipelines import pipeline_driver


def open_driver(task: Task) -> Driver:
    """Loads a checkpoint in the precision and on the device of the task."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    folder = checkpoint_of(task.model)
    dtype = torch.float16 if task.precision == "fp16" else torch.float32
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    classifier = pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        aggregation_strategy="first",
        device=task.device,
    )
    facts = {"version": version("transformers"), "torch": version("torch")}
    return pipeline_driver(classifier, task.joint, facts | {"device": str(classifier.device)})
