"""Weights for the torch backend from an exported ONNX graph, int8 ones dequantized.

The exporter names each node after the module that it came from: the weight of
`/bert/encoder/layer.0/output/dense/MatMul` is bert.encoder.layer.0.output.dense.weight, transposed.
Quantization leaves these names alone, stores a weight as levels, scale and zero point, and may
move scales from activations into weights (SmoothQuant), from which they are taken back here.
"""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ....kernels.architectures import Config, config_from_hugging_face
from ....kernels.encoder import NAMES, EncoderConfig

Array = NDArray[Any]

CONFIG = "config"  # entry of a graph's metadata: the model's `config.json`

_MODERN_TABLE = "model.embeddings.tok_embeddings"
_MODULE = re.compile(r"/(.+)/(MatMul|LayerNormalization|Gather)")


class OnnxWeights:
    """A token classifier's graph, read for its weights.

    Raises:
        ValueError: the file is no graph of such a classifier.
    """

    def __init__(self, path: Path) -> None:
        try:
            model = onnx.load(path)
        except Exception as error:  # of protobuf, whose errors share no base class with others
            raise ValueError(f"it is no ONNX graph: {error}") from error
        graph = model.graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes = list(graph.node)
        self._metadata = {item.key: item.value for item in model.metadata_props}
        self._named = {node.name: node for node in self._nodes if node.name}
        self._producers = {name: node for node in self._nodes for name in node.output}

    def config(self) -> Config:
        """What the graph tells of the model beside its weights."""
        if self._modern_rows is not None:
            if CONFIG not in self._metadata:
                raise ValueError("it lacks the configuration of a ModernBERT: export it again")
            return config_from_hugging_face(json.loads(self._metadata[CONFIG]))
        named, kinds = self._named, {node.op_type for node in self._nodes}
        [root] = {name.split("/")[1] for name in named if name.endswith("embeddings/Add")} or [""]
        attention = [name for name in named if name.endswith("/Softmax")]
        reshape = next((n for n in named if re.fullmatch(r".*/attention(/self)?/Reshape", n)), None)
        norm = named.get(f"/{root}/embeddings/LayerNorm/LayerNormalization")
        if root not in NAMES or norm is None or reshape is None:
            raise ValueError(
                f"the graph is none that nerx export made of a classifier of {', '.join(NAMES)}"
            )
        groups = {name.split("/")[3] for name in attention} if root == "albert" else ()
        return EncoderConfig(
            architecture=root,
            layers=len(attention),
            heads=self._heads(named[reshape]),
            eps=next(float(item.f) for item in norm.attribute if item.name == "epsilon"),
            tanh="Tanh" in kinds,
            groups=max(1, len(groups)),
            first_place=self._first_place(root),
        )

    def _heads(self, reshape: Any) -> int:
        """The heads of an attention layer, from where its products are parted among them."""
        shape = self._producers[reshape.input[1]]  # (rows, length, heads, size)
        heads, size = map(self._value, shape.input[2:])
        assert heads is not None
        assert size is not None
        if heads.item() > 0:
            return int(heads.item())
        product = self._unquantized(reshape.input[0])  # -1: whatever is left of its width
        bias = None if product is None else self._constant(product.name)
        assert bias is not None
        return int(bias.size // size.item())

    def _first_place(self, root: str) -> int:
        """The row of the first position: RoBERTa's graph counts from the padding token's number."""
        pad = self._constant(f"/{root}/embeddings/Equal")
        return 0 if pad is None else int(pad.item()) + 1

    def weights(self) -> dict[str, Array]:
        """float32 weights by their Hugging Face names; of repeated layers, those of the first."""
        found = self._embeddings | self._classifier()
        for name, node in self._named.items():
            if not (match := _MODULE.fullmatch(name)):
                continue
            module, kind = match[1].replace("/", "."), match[2]
            if kind == "LayerNormalization":
                gamma, beta = (self._value(name) for name in node.input[1:3])
                found |= _pair(module, gamma, beta)
            elif kind == "MatMul" and self._value(node.input[1]) is not None:
                found |= _pair(module, self._weight(node), self._constant(f"/{match[1]}/Add"))
        return {name: value.astype(np.float32) for name, value in found.items()}

    @cached_property
    def _embeddings(self) -> dict[str, Array]:
        """The two or three tables; the exporter keeps type 0 alone, as a row, where it can.

        ModernBERT has one.
        """
        if self._modern_rows is not None:
            return {f"{_MODERN_TABLE}.weight": self._table(self._modern_rows)}
        config = self.config()
        assert isinstance(config, EncoderConfig)
        root = config.architecture
        at, tables = f"/{root}/embeddings", {}
        for kind in ("word", "position", "token_type"):
            if rows := self._producers.get(f"{at}/{kind}_embeddings/Gather_output_0"):
                tables[kind] = self._table(rows)
        added = [self._constant(f"{at}/{name}") for name in ("Add", "Add_1")]
        row = next((value for value in added if value is not None and value.size > 1), None)
        if "token_type" not in tables and row is not None:
            tables["token_type"] = row.reshape(1, -1)
        return {f"{root}.embeddings.{kind}_embeddings.weight": t for kind, t in tables.items()}

    @property
    def _modern_rows(self) -> Any | None:
        """What looks up the embeddings of a ModernBERT; None in graphs of other models."""
        return self._producers.get(f"/{_MODERN_TABLE.replace('.', '/')}/Gather_output_0")

    def _classifier(self) -> dict[str, Array]:
        """What gives the output `word_logits`, whatever its nodes are called."""
        add: Any = self._producers.get("word_logits")
        products = [self._producers[name] for name in add.input if name in self._producers]
        if len(products) != 1 or products[0].op_type != "MatMul":
            raise ValueError("its classifier is not one linear layer")
        bias = next(v for v in map(self._value, add.input) if v is not None)
        return _pair("classifier", self._weight(products[0]), bias)

    def _weight(self, product: Any) -> Array:
        """The weight of a linear layer: (out, in)."""
        weight = self._value(product.input[1])
        assert weight is not None
        smoothed: Array = weight * self._smoothing(product.input[0])
        return smoothed.T

    def _table(self, rows: Any) -> Array:
        """The table behind rows that are gathered, or gathered as levels and as scales."""
        if rows.op_type == "Mul":
            levels, scales = (self._table(self._producers[name]) for name in rows.input)
            return levels.astype(np.float32) * scales
        if rows.op_type == "Cast":
            return self._table(self._producers[rows.input[0]])
        table = self._value(rows.input[0])
        assert table is not None
        return table

    def _constant(self, name: str) -> Array | None:
        """The constant input of the node of that name, None if there is no such node."""
        inputs = self._named[name].input if name in self._named else ()
        return next((v for v in map(self._value, inputs) if v is not None), None)

    def _unquantized(self, value: str) -> Any | None:
        """The node that makes a value, before any quantizing of it; None for an input."""
        node = self._producers.get(value)
        while node is not None and node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            node = self._producers.get(node.input[0])
        return node

    def _smoothing(self, activation: str) -> Array | float:
        """What SmoothQuant multiplies a product's input by, as a column: (in, 1)."""
        node = self._unquantized(activation)
        if node is None or not node.name.endswith("nncf_smooth_quant"):
            return 1.0
        scale = self._value(node.input[1])
        assert scale is not None
        return scale.reshape(-1, 1)

    def _value(self, name: str) -> Array | None:
        """A constant of the graph, dequantized; None for what depends on the input."""
        node: Any = self._producers.get(name)
        kind = node.op_type if node is not None else ""
        if name in self._tensors or kind == "Constant":
            tensor = self._tensors[name] if name in self._tensors else node.attribute[0].t
            value: Array = onnx.numpy_helper.to_array(tensor)
            return value
        if kind != "DequantizeLinear":
            return None
        levels, scale = self._value(node.input[0]), self._value(node.input[1])
        if levels is None or scale is None:
            return None
        zero = self._value(node.input[2]) if len(node.input) > 2 else None
        return dequantized(node, levels, scale, zero)


def dequantized(node: Any, levels: Array, scale: Array, zero: Array | None = None) -> Array:
    """What a DequantizeLinear makes of constants: float32; a scale is of all, or one a row."""
    zero = np.zeros_like(scale) if zero is None else zero.astype(np.float32)
    if scale.ndim:
        axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
        shape = [-1 if place == axis % levels.ndim else 1 for place in range(levels.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    values: Array = (levels.astype(np.float32) - zero) * scale
    return values


def _pair(module: str, weight: Array | None, bias: Array | None) -> dict[str, Array]:
    pair = {"weight": weight, "bias": bias}
    return {f"{module}.{kind}": value for kind, value in pair.items() if value is not None}
