"""From int8 back to fp32, for bundles that hold int8 alone and runtimes that want floats.

The weights are those that int8 computes with, so labels are its labels but for the rounding of
activations.
"""

from typing import Any

from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from ..engine.backends.torch.onnx_weights import dequantized
from .graph import drop_unused
from .sensitivity import put_back

_Constants = dict[str, NDArray[Any]]


def dequantize(model: ModelProto) -> ModelProto:
    """The fp32 form of a graph that `quantize` made; `model` stays as it is."""
    copy = put_back(model, [node.name for node in model.graph.node])
    graph = copy.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    _fold_weights(graph, constants)
    _fold_tables(graph, constants)
    drop_unused(copy)
    return copy


def _fold_weights(graph: GraphProto, constants: _Constants) -> None:
    """Replaces each DequantizeLinear of a constant by what it gives."""
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        values = dequantized(node, *(constants[name] for name in node.input))
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)


def _fold_tables(graph: GraphProto, constants: _Constants) -> None:
    """Undoes `quantize_embeddings`: int8_table[ids] * scale[ids] becomes table[ids]."""
    producers = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Mul"]:
        cast, scales = (producers.get(name) for name in node.input)
        if cast is None or scales is None or (cast.op_type, scales.op_type) != ("Cast", "Gather"):
            continue
        rows: NodeProto | None = producers.get(cast.input[0])
        if rows is None or rows.op_type != "Gather" or scales.input[0] not in constants:
            continue
        name = f"{rows.input[0]}.float"
        if name not in constants:
            constants[name] = constants[rows.input[0]] * constants[scales.input[0]]
            graph.initializer.append(numpy_helper.from_array(constants[name], name))
        gather = helper.make_node("Gather", [name, rows.input[1]], list(node.output), axis=0)
        at = list(graph.node).index(node)
        for old in (node, cast, scales, rows):
            graph.node.remove(old)
        graph.node.insert(at - 3, gather)
