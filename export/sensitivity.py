"""Which matrix products to put back when int8 loses too much: those whose rounding hurts most.

A product is put back by taking its activations before they are rounded. Its weights stay int8
(one scale a channel; their error is small), so the file keeps its size.
"""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto

from ..engine.types import Floats
from .batches import Feed
from .graph import copy_of, drop_unused
from .precision import open_session


def quantized_products(model: ModelProto) -> list[str]:
    """Names of the matrix products with rounded activations, in the order of the graph."""
    rounded = _rounded_values(model)
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and not rounded.keys().isdisjoint(node.input)
    ]


def put_back(model: ModelProto, products: Sequence[str]) -> ModelProto:
    """A copy of an int8 graph in which some products read their activations unrounded."""
    copy = copy_of(model)
    rounded = _rounded_values(copy)
    for node in copy.graph.node:
        if node.name in products:
            for place, name in enumerate(node.input):
                node.input[place] = rounded.get(name, name)
    _drop_dead_pairs(copy)
    drop_unused(copy)
    return copy


def most_sensitive(fp32: ModelProto, int8: ModelProto, feeds: Sequence[Feed]) -> list[str]:
    """Products of the int8 graph, the one whose rounding moves the word logits most first."""
    wanted = _logits(fp32, feeds)

    def error(model: ModelProto) -> float:
        return float(np.mean((_logits(model, feeds) - wanted) ** 2))

    errors = {name: error(put_back(int8, [name])) for name in quantized_products(int8)}
    return sorted(errors, key=errors.__getitem__)


def _rounded_values(model: ModelProto) -> dict[str, str]:
    """Name of each value that was rounded -> what it was before."""
    nodes = {node.output[0]: node for node in model.graph.node if node.output}
    return {
        name: nodes[node.input[0]].input[0]
        for name, node in nodes.items()
        if node.op_type == "DequantizeLinear"
        and node.input[0] in nodes
        and nodes[node.input[0]].op_type == "QuantizeLinear"
    }


def _drop_dead_pairs(model: ModelProto) -> None:
    """Removes the rounding that no node reads any more: DequantizeLinear, then QuantizeLinear."""
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in model.graph.node for name in node.input}
        for node in [node for node in model.graph.node if node.op_type == kind]:
            if node.output[0] not in read:
                model.graph.node.remove(node)


def _logits(model: ModelProto, feeds: Sequence[Feed]) -> Floats:
    session = open_session(model)
    return np.concatenate([session.run(["word_logits"], dict(feed))[0] for feed in feeds])
