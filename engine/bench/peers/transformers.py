"""The `transformers` pipeline on PyTorch."""

from importlib.metadata import version

from nerx.engine.bench.driver import Driver, Task
from nerx.engine.bench.peers.checkpoint import checkpoint_of
from nerx.engine.bench.peers.pipelines import PipelineDriver


def open_driver(task: Task) -> Driver:
    """Loads a checkpoint, in fp32."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    folder = checkpoint_of(task.model)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    classifier = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
    )
    facts = {"version": version("transformers"), "torch": version("torch")}
    return PipelineDriver(classifier, task.joint, facts | {"device": str(classifier.device)})
