"""INT8: weights per output channel, activations per tensor, ranges from real text.

Matrix products are quantized by NNCF (SmoothQuant, fast bias correction) as QuantizeLinear and
DequantizeLinear pairs, which OpenVINO and ONNX Runtime both run. Ranges are fixed at export, so a
label does not depend on what else is in the batch. Embedding tables, which a runtime only reads
rows of, are kept as int8 with one scale a row.
"""

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import nncf
import numpy as np
from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .batches import Feed
from .graph import copy_of, drop_unused, tie, untie

_CLASSIFIER_INPUT = "word_hidden"
_MIN_TABLE_ROWS = 1024  # smaller tables (positions) are not worth a rounding error


def quantize(model: ModelProto, calibration: Sequence[Feed]) -> ModelProto:
    """The int8 form of an fp32 graph; `model` stays as it is.

    calibration: batches of real text
    """
    copy = copy_of(model)
    shared = untie(copy)
    classifier = [node.name for node in copy.graph.node if _CLASSIFIER_INPUT in node.input]
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with redirect_stdout(sys.stderr), warnings.catch_warnings():  # its progress bars
        warnings.simplefilter("ignore")
        quantized: ModelProto = nncf.quantize(
            copy,
            nncf.Dataset(list(calibration)),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(
                names=[name for name in classifier if name],
                types=["Gather"],
                validate=False,
            ),
            # SmoothQuant scales each layer's weights by its own inputs: they could not be shared.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=-1 if shared else 0.95)
            ),
        )
    tie(quantized)
    quantize_embeddings(quantized)
    drop_unused(quantized)
    return quantized


def quantize_embeddings(model: ModelProto) -> None:
    """Stores large embedding tables as int8: table[ids] becomes int8_table[ids] * scale[ids].

    Only the rows that are read are scaled. A DequantizeLinear in front of the Gather would make a
    runtime expand the whole table for every batch.
    """
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Gather"]:
        tensor = tables.get(node.input[0])
        if tensor is None or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != 2:
            continue
        if tensor.dims[0] >= _MIN_TABLE_ROWS:
            _split_table(model, node, numpy_helper.to_array(tensor))


def _split_table(model: ModelProto, gather: NodeProto, table: NDArray[Any]) -> None:
    graph = model.graph
    name, ids, result = gather.input[0], gather.input[1], gather.output[0]
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / 127.0
    levels = np.rint(table / scale).astype(np.int8)
    if not any(tensor.name == f"{name}.int8" for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(levels, f"{name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
    rows, scales = f"{result}.levels", f"{result}.scales"
    nodes = [
        helper.make_node("Gather", [f"{name}.int8", ids], [rows]),
        helper.make_node("Cast", [rows], [f"{rows}.float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", ids], [scales]),
        helper.make_node("Mul", [f"{rows}.float", scales], [result]),
    ]
    at = list(graph.node).index(gather)
    graph.node.remove(gather)
    for node in reversed(nodes):
        graph.node.insert(at, node)
