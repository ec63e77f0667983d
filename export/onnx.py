"""PyTorch to ONNX through optimum, with the decode tail."""

import tempfile
import warnings
from pathlib import Path

import onnx
from optimum.exporters.onnx import export
from optimum.exporters.tasks import TasksManager

from ..engine.errors import BundleError
from .checkpoint import Checkpoint
from .graph import (
    append_decode_tail,
    drop_token_types,
    drop_unused,
    fold_constant_products,
    inline_identities,
    soften_mask,
)

_TASK = "token-classification"


def to_onnx(checkpoint: Checkpoint) -> onnx.ModelProto:
    """The fp32 graph of a token classifier: input_ids, attention_mask, word_index -> word labels.

    Raises:
        BundleError: optimum does not export this architecture.
    """
    model = checkpoint.model
    kind = model.config.model_type
    try:
        make_config = TasksManager.get_exporter_config_constructor(
            "onnx", model, task=_TASK, library_name="transformers"
        )
    except (KeyError, ValueError) as error:
        raise BundleError(
            f"optimum exports no {kind} token classifiers to ONNX; it does these: "
            + ", ".join(supported_architectures())
        ) from error
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about how optimum calls it
        path = Path(folder) / "model.onnx"
        export(model, make_config(model.config), path)
        graph = onnx.load(path)
    inline_identities(graph)
    fold_constant_products(graph)
    soften_mask(graph)
    drop_token_types(graph)
    append_decode_tail(graph, len(checkpoint.labels))
    drop_unused(graph)
    return graph


def supported_architectures() -> tuple[str, ...]:
    """Model types whose token classifiers optimum can export."""
    return tuple(sorted(TasksManager.get_supported_model_type_for_task(_TASK, "onnx")))
