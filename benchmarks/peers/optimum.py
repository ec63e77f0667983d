"""optimum's pipeline on ONNX Runtime, with its own export of the checkpoint."""

from importlib.metadata import version

from ..driver import Driver, Task
from .checkpoint import checkpoint_of
from .pipelines import pipeline_driver


def open_driver(task: Task) -> Driver:
    """Exports a checkpoint to ONNX in fp32, and loads that."""
    from optimum.onnxruntime import ORTModelForTokenClassification
    from transformers import AutoTokenizer, pipeline

    folder = checkpoint_of(task.model)
    model = ORTModelForTokenClassification.from_pretrained(folder, export=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    classifier = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
    )
    facts = {"version": version("optimum-onnx"), "onnxruntime": version("onnxruntime")}
    return pipeline_driver(classifier, task.joint, facts | {"device": str(model.device)})
