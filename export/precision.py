"""FP16 as a property of the graph: every value in half precision but those that it cannot hold.

Softmax, layer norm and the decode tail stay in fp32 (sums of many terms, and near ties), and so
does every node that reads or writes a value near the largest fp16 number on real text: an island,
with casts around it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

from .batches import Feed
from .graph import TAIL_PREFIX, copy_of, drop_unused

LARGEST = 65504 / 4  # of fp16, with room for text that is not in the sample
_FP32_OPS = ("Softmax", "LayerNormalization", "ReduceMean", "Pow")
_HALF, _FULL = TensorProto.FLOAT16, TensorProto.FLOAT


def to_fp16(model: ModelProto, feeds: Sequence[Feed]) -> ModelProto:
    """The fp16 form of an fp32 graph; `model` stays as it is.

    feeds: small batches of real text, to find what overflows; inputs and outputs keep their types
    """
    copy = copy_of(model)
    _constants_to_weights(copy)
    islands = set(overflowing_nodes(copy, feeds))
    converter = _Converter(copy)
    for node in list(copy.graph.node):
        full = (
            node.name in islands or node.name.startswith(TAIL_PREFIX) or node.op_type in _FP32_OPS
        )
        converter.convert(node, _FULL if full else _HALF)
    del copy.graph.node[:]
    copy.graph.node.extend(converter.nodes)
    del copy.graph.value_info[:]
    drop_unused(copy)
    return copy


class _Converter:
    """Goes through a graph in order and knows in which type each float value stands."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self._weights = {
            tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == _FULL
        }
        self._floats = _float_values(model)
        self._types = dict.fromkeys(self._weights, _FULL)
        self._graph = model.graph
        self._made: set[str] = set()

    def convert(self, node: NodeProto, kind: int) -> None:
        """Takes over a node that is to compute in the type `kind`."""
        for place, name in enumerate(node.input):
            if self._types.get(name, kind) != kind:
                node.input[place] = self._as(name, kind)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FULL:
                attribute.i = kind
            if node.op_type == "ConstantOfShape" and attribute.t.data_type == _FULL:
                attribute.t.CopyFrom(_half(attribute.t, kind))
        self._types |= {name: kind for name in node.output if name in self._floats}
        self.nodes.append(node)

    def _as(self, name: str, kind: int) -> str:
        """The name of a value in another type: a weight converted, or the result of a cast."""
        other = f"{name}.{'fp16' if kind == _HALF else 'fp32'}"
        if other not in self._made:
            self._made.add(other)
            if name in self._weights:
                tensor = _half(self._weights[name], kind)
                tensor.name = other
                self._graph.initializer.append(tensor)
            else:
                self.nodes.append(helper.make_node("Cast", [name], [other], name=other, to=kind))
        return other


def _half(tensor: TensorProto, kind: int) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    return numpy_helper.from_array(
        values.astype(np.float16 if kind == _HALF else np.float32), tensor.name
    )


def _constants_to_weights(model: ModelProto) -> None:
    """Turns constant nodes of floats into initializers, so that they are converted like weights."""
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        if value is not None and value.data_type == _FULL:
            tensor = graph.initializer.add()
            tensor.CopyFrom(value)
            tensor.name = node.output[0]
            graph.node.remove(node)


def _float_values(model: ModelProto) -> set[str]:
    """Names of all fp32 values that nodes compute."""
    inferred = infer_shapes(model)
    return {
        info.name
        for info in (*inferred.graph.value_info, *inferred.graph.output)
        if info.type.tensor_type.elem_type == _FULL
    }


def overflowing_nodes(model: ModelProto, feeds: Sequence[Feed]) -> list[str]:
    """Names of the nodes that read or write a value above `LARGEST`, on real text or in weights."""
    hot = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == _FULL
        and np.abs(numpy_helper.to_array(tensor)).max(initial=0.0) > LARGEST
    }
    session, names = _session_with_all_values(model)
    for feed in feeds:
        values = session.run(names, dict(feed))
        hot |= {
            name
            for name, value in zip(names, values, strict=True)
            if not np.abs(value).max(initial=0.0) <= LARGEST  # NaN is hot too
        }
    return [
        node.name
        for node in model.graph.node
        if node.op_type != "Constant" and hot & {*node.input, *node.output}
    ]


def _session_with_all_values(model: ModelProto) -> tuple[Any, list[str]]:
    """A session that returns every float value of the graph, and their names."""
    floats = _float_values(model)
    exposed = copy_of(model)
    names = [name for node in exposed.graph.node for name in node.output if name in floats]
    known = {port.name for port in exposed.graph.output}
    exposed.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in known)
    return open_session(exposed, as_it_is=True), names


def open_session(model: ModelProto, *, as_it_is: bool = False) -> Any:
    """A graph in ONNX Runtime on the CPU, optimized or as it is."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors alone
    if as_it_is:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
