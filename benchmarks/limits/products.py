"""A model's own matrix products, which no runtime can do without: what a limit is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Products:
    """The matrix products of a model.

    weights: (in, out) of each product with weights, in order
    copies: the number of the first product with the same weights, for each
    attention: how many products attention has, and their width (heads times head size)
    """

    weights: tuple[tuple[int, int], ...]
    copies: tuple[int, ...]
    attention: tuple[int, int]

    def operations(self, lengths: Sequence[int]) -> float:
        """Multiplications and additions for rows of so many subwords, without padding."""
        rows = np.asarray(lengths, np.float64)
        linear = 2.0 * rows.sum() * sum(a * b for a, b in self.weights)
        count, width = self.attention
        return float(linear + 2.0 * count * width * (rows**2).sum())


def read_products(bundle: Bundle) -> Products | None:
    """The matrix products of a bundle's model; None if there are none that can be read."""
    artifact = bundle.find()
    if artifact and find_spec("openvino"):
        return _of_graph(bundle.artifact_path(artifact), len(bundle.labels))
    weights = next((item for item in bundle.artifacts if item.format == "safetensors"), None)
    if weights is None:
        return None
    from safetensors import safe_open

    with safe_open(bundle.artifact_path(weights), "np") as file:
        return _of_config(json.loads(file.metadata()["config"]))


def _of_config(config: Mapping[str, Any]) -> Products:
    """Those of a BERT or an ALBERT, whose layers share their weights, by its `config.json`."""
    width, inner, layers = (
        config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    layer = [(width, width)] * 4 + [(width, inner), (inner, width)]
    shared = config["model_type"] == "albert"
    first = [(config["embedding_size"], width)] if shared else []
    count = len(first) + len(layer)  # that differ, where weights are shared
    repeated = [*range(len(first), count)] * layers
    copies = [*range(len(first)), *repeated] if shared else range(layers * len(layer))
    return Products((*first, *layer * layers), tuple(copies), (2 * layers, width))


def _of_graph(path: Path, labels: int) -> Products | None:
    """Those of a graph that OpenVINO reads, without its classifier."""
    import openvino as ov

    model = ov.Core().read_model(str(path))
    shapes, sources, attention = [], [], 0
    constants: dict[str, str] = {}  # values that follow from constants alone -> the first of these
    for node in model.get_ordered_ops():
        name, inputs = node.get_friendly_name(), [_name(port) for port in node.input_values()]
        if node.get_type_name() == "Constant":
            constants[name] = name
        elif inputs and all(source in constants for source in inputs):
            constants[name] = constants[inputs[0]]
        if node.get_type_name() == "ScaledDotProductAttention":
            attention += 2
        if node.get_type_name() != "MatMul":
            continue
        source = constants.get(inputs[1])
        shape = node.input_value(1).get_partial_shape()
        if source is None or not shape.is_static or len(shape) != 2:
            attention += source is None
            continue
        a, b = shape.to_shape()
        turned = node.get_attributes()["transpose_b"]
        shapes.append((int(b), int(a)) if turned else (int(a), int(b)))
        sources.append(source)
    kept = [place for place, (_, out) in enumerate(shapes) if out != labels]
    if not kept:
        return None
    weights = tuple(shapes[place] for place in kept)
    names = [sources[place] for place in kept]
    return Products(weights, tuple(names.index(name) for name in names), (attention, weights[0][0]))


def _name(port: Any) -> str:
    return str(port.get_node().get_friendly_name())
