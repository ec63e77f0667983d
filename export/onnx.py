"""PyTorch to ONNX with the decode tail: by optimum where it knows the model, else by torch."""

import inspect
import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch

from ..engine.backends.torch.onnx_weights import CONFIG
from ..engine.errors import BundleError
from .checkpoint import Checkpoint
from .graph import (
    append_decode_tail,
    drop_token_types,
    drop_unused,
    fold_constant_products,
    gather_early,
    inline_identities,
    soften_mask,
)

_OPSET = 18
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_ROWS = 2  # of what a model is traced with, at full length: DeBERTa's positions take no longer ones


def to_onnx(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The fp32 graph of a token classifier: input_ids, attention_mask, word_index -> word labels.

    Raises:
        BundleError: the model cannot be traced.
    """
    kind, shape = checkpoint.model.config.model_type, (_ROWS, checkpoint.max_length)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about models that it traces
        path = Path(folder) / "model.onnx"
        try:
            if not _export_with_optimum(checkpoint.model, shape, path):
                _export_with_torch(checkpoint.model, shape, path)
        except Exception as error:  # whatever a model's own code raises when it is traced
            reason = str(error).strip().split("\n")[0]
            raise BundleError(f"{kind} models cannot be exported to ONNX: {reason}") from error
        graph = onnx.load(path)
    if strange := {port.name for port in graph.graph.input}.difference(_INPUTS):
        raise BundleError(
            f"{kind} models want {', '.join(sorted(strange))}; nerx gives only {', '.join(_INPUTS)}"
        )
    inline_identities(graph)
    fold_constant_products(graph)
    soften_mask(graph)
    drop_token_types(graph)
    append_decode_tail(graph, len(checkpoint.labels))
    gather_early(graph)
    drop_unused(graph)
    config = checkpoint.model.config.to_dict()
    config.pop("_name_or_path", None)  # where it stood is nobody's business
    onnx.helper.set_model_props(graph, {CONFIG: json.dumps(config, default=str)})
    return graph


def _export_with_optimum(model: Any, shape: tuple[int, int], path: Path) -> bool:
    """Exports a model if optimum is there, works with this transformers, and knows the model."""
    try:
        from optimum.exporters.onnx import export
        from optimum.exporters.tasks import TasksManager
    except ImportError:
        return False
    try:
        make_config = TasksManager.get_exporter_config_constructor(
            "onnx", model, task="token-classification", library_name="transformers"
        )
    except (KeyError, ValueError):
        return False
    rows, length = shape
    shapes = {"batch_size": rows, "sequence_length": length}
    export(model, make_config(model.config), path, input_shapes=shapes)
    return True


def _export_with_torch(model: Any, shape: tuple[int, int], path: Path) -> None:
    """Traces a model, of whatever architecture, as optimum does."""
    names = ["input_ids", "attention_mask"]
    if any(name.endswith("token_type_embeddings") for name, _ in model.named_modules()):
        names += ["token_type_ids"] if "token_type_ids" in _parameters(model) else []
    inputs = {name: torch.ones(shape, dtype=torch.int64) for name in names}
    inputs |= {name: torch.zeros_like(inputs[name]) for name in names[2:]}  # RoBERTa has one type
    axes = {name: {0: "rows", 1: "length"} for name in (*names, "logits")}
    with _only_logits(model):
        torch.onnx.export(
            model,
            (),
            path,
            kwargs=inputs,
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
            verbose=False,
        )


@contextmanager
def _only_logits(model: Any) -> Iterator[None]:
    """Makes a model take what is traced and give its logits alone."""
    forward = model.forward

    def traced(input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return forward(input_ids=input_ids, attention_mask=attention_mask, **types).logits

    model.forward = traced
    try:
        yield
    finally:
        del model.forward


def _parameters(model: Any) -> set[str]:
    return set(inspect.signature(model.forward).parameters)
