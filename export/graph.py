"""The decode tail: from hidden states to word labels inside the ONNX graph.

Only rows that begin a word reach the classifier:

    rows = hidden.reshape(-1, width)[word_index];  word_logits = rows @ W + b
    label_ids = argmax(word_logits);  scores = max(softmax(word_logits))

so that a runtime returns a few bytes a word instead of logits for every subword.
"""

import hashlib

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

TAIL_PREFIX = "decode/"  # of the names of the tail's nodes, the classifier's too
OUTPUTS = ("label_ids", "scores", "word_logits")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Erf", "Tanh", "Relu", "Gelu")


def append_decode_tail(model: ModelProto, labels: int) -> None:
    """Turns the output `logits` into the outputs of the tail, and adds the input `word_index`.

    logits: (rows, length, labels) float32
    word_index: (positions,) int64, through the flattened (rows, length) grid
    label_ids: (positions,) int64; scores: (positions,) float32
    word_logits: (positions, labels) float32

    A classifier that is one linear layer moves behind the gather; of any other, the finished
    logits are gathered, which costs more and gives the same.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    source = _linear_classifier(graph, producers)
    if source is None:
        _rename_output(producers["logits"], "all_logits")
        graph.node.extend(_gather_rows(graph, "all_logits", "word_logits", labels))
    else:
        hidden, width = source.input[0], _initializer(graph, source.input[1]).dims[0]
        source.input[0] = "word_hidden"
        source.name, producers["logits"].name = f"{TAIL_PREFIX}product", f"{TAIL_PREFIX}logits"
        _rename_output(producers["logits"], "word_logits")
        at = list(graph.node).index(source)
        for node in reversed(_gather_rows(graph, hidden, "word_hidden", width)):
            graph.node.insert(at, node)
    graph.initializer.append(_ints("last_axis", [-1]))
    graph.node.extend(
        [
            _node("ArgMax", ["word_logits"], "label_ids", axis=-1, keepdims=0),
            _node("Softmax", ["word_logits"], "word_probabilities", axis=-1),
            _node("ReduceMax", ["word_probabilities", "last_axis"], "scores", keepdims=0),
        ]
    )
    _declare(graph, labels)
    checker.check_model(model)


def gather_early(model: ModelProto) -> None:
    """Moves the gather of the tail to where the last attention ends.

    What follows there (projection, feed-forward network, residuals, norms) treats each row alone:
    f(grid)[word_index] = f(grid[word_index]), so that it can do without rows that get no label.
    The rows stay a grid, of one line: OpenVINO's int8 products of gathered rows in two dimensions
    are less exact (of a model of two layers, 99.2 % of the labels stayed, in a grid 99.9 %).
    """
    graph = model.graph
    flat = next(node for node in graph.node if node.name == "flat_grid")
    gather = next(node for node in graph.node if "flat_grid" in node.input)
    constants = _dimensions_of_constants(graph)
    moved = _by_row_before(graph, flat, constants)
    if not moved:
        return
    axis = _ints("line_axis", [0])
    graph.initializer.append(axis)
    line = helper.make_node("Unsqueeze", ["word_index", axis.name], ["word_index.line"])
    graph.node.insert(0, line)
    known = constants.keys() | {node.output[0] for node in moved}
    for node in moved:
        for place, grid in enumerate(node.input):
            if grid in known:
                continue
            rows = node.input[place] = f"{grid}.labelled"
            if all(rows not in other.output for other in graph.node):
                at = list(graph.node).index(node)
                pick = helper.make_node("Gather", [f"{grid}.flat", line.output[0]], [rows], axis=0)
                graph.node.insert(at, pick)
                graph.node.insert(at, helper.make_node("Flatten", [grid], [f"{grid}.flat"], axis=2))
    _rename_output(moved[-1], f"{gather.output[0]}.line")
    outside = helper.make_node("Squeeze", [*moved[-1].output, axis.name], gather.output)
    graph.node.insert(list(graph.node).index(moved[-1]) + 1, outside)
    graph.node.remove(flat)
    graph.node.remove(gather)


def drop_token_types(model: ModelProto) -> None:
    """Replaces the input `token_type_ids` by what it always is: zeros.

    The embedding of type 0 becomes a constant row, so that no runtime looks it up a subword.
    """
    graph = model.graph
    inputs = [port for port in graph.input if port.name == "token_type_ids"]
    if not inputs:
        return
    graph.input.remove(inputs[0])
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if "token_type_ids" in node.input]:
        if node.op_type == "Gather" and node.input[0] in weights:
            table = numpy_helper.to_array(weights[node.input[0]])
            graph.initializer.append(numpy_helper.from_array(table[0].copy(), node.output[0]))
            graph.node.remove(node)
    if any("token_type_ids" in node.input for node in graph.node):
        graph.initializer.append(numpy_helper.from_array(np.int64(0), "type_0"))
        graph.node.insert(0, helper.make_node("Mul", ["input_ids", "type_0"], ["token_type_ids"]))
    drop_unused(model)


def inline_identities(model: ModelProto) -> None:
    """Removes Identity nodes, behind which exporters hide weights that several nodes share."""
    graph = model.graph
    results = {port.name for port in graph.output}
    source: dict[str, str] = {}
    for node in list(graph.node):
        for place, name in enumerate(node.input):
            node.input[place] = source.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in results:
            source[node.output[0]] = node.input[0]
            graph.node.remove(node)


def fold_constant_products(model: ModelProto) -> None:
    """Computes the products of two weights (DeBERTa's positions): quantizers trip over them."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "MatMul" and all(name in weights for name in node.input):
            left, right = (numpy_helper.to_array(weights[name]) for name in node.input)
            graph.initializer.append(numpy_helper.from_array(left @ right, node.output[0]))
            graph.node.remove(node)


def soften_mask(model: ModelProto) -> None:
    """Makes the least number, which masks padding, -10,000: its exponential is 0 as well.

    Unlike the least fp32 number it fits fp16, and a score can be added to it.
    """
    constants = [
        attribute.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for tensor in (*constants, *model.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            if values.size and values.min() < -1e30:
                softer = np.where(values < -1e30, np.float32(-1e4), values)
                tensor.CopyFrom(numpy_helper.from_array(softer, tensor.name))


def untie(model: ModelProto) -> bool:
    """Gives each node weights of its own: tools that rewrite weights trip over shared ones.

    Returns whether a matrix product shared its weight, as ALBERT's layers do.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    taken: set[str] = set()
    shared = False
    for number, node in enumerate(graph.node):
        for place, name in enumerate(node.input):
            if name in taken:
                own = graph.initializer.add()
                own.CopyFrom(weights[name])
                own.name = node.input[place] = f"{name}.{number}"
                shared = shared or node.op_type == "MatMul"
            elif name in weights:
                taken.add(name)
    return shared


def tie(model: ModelProto) -> None:
    """Stores equal weights once."""
    graph = model.graph
    first: dict[bytes, str] = {}
    names: dict[str, str] = {}
    for tensor in graph.initializer:
        kind = f"{list(tensor.dims)} {tensor.data_type}".encode()
        digest = hashlib.sha256(tensor.raw_data + kind).digest()
        if tensor.raw_data:
            names[tensor.name] = first.setdefault(digest, tensor.name)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    drop_unused(model)


def copy_of(model: ModelProto) -> ModelProto:
    """The same graph once more, to be changed."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def drop_unused(model: ModelProto) -> None:
    """Removes the initializers that no node reads."""
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [item for item in model.graph.initializer if item.name not in used]:
        model.graph.initializer.remove(tensor)


def _linear_classifier(graph: GraphProto, producers: dict[str, NodeProto]) -> NodeProto | None:
    """The matrix product of `logits = hidden @ W + b`, None if the logits are made otherwise."""
    add = producers["logits"]
    weights = {tensor.name for tensor in graph.initializer}
    for name in add.input:
        node = producers.get(name)
        if add.op_type == "Add" and node is not None and node.op_type == "MatMul":
            return node if node.input[1] in weights else None
    return None


def _by_row_before(
    graph: GraphProto, flat: NodeProto, constants: dict[str, int]
) -> list[NodeProto]:
    """The nodes that treat each row alone and are read by `flat` and each other only, in order."""
    readers: dict[str, set[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.output[0])
    taken, found = {flat.output[0]}, []
    for node in reversed(graph.node):
        alone = False
        if node.op_type == "LayerNormalization":
            alone = all(item.i == -1 for item in node.attribute if item.name == "axis")
        elif node.op_type == "MatMul":
            alone = node.input[0] not in constants and node.input[1] in constants
        elif node.op_type in _ELEMENTWISE:
            alone = all(constants.get(name, 0) < 2 for name in node.input)
        if alone and (reads := readers.get(node.output[0])) and reads <= taken:
            taken.add(node.output[0])
            found.append(node)
    return found[::-1]


def _dimensions_of_constants(graph: GraphProto) -> dict[str, int]:
    """How many dimensions each constant has, by its name."""
    found = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            [value] = node.attribute
            found[node.output[0]] = len(value.t.dims)
    return found


def _gather_rows(graph: GraphProto, grid: str, rows: str, width: int) -> list[NodeProto]:
    """Nodes for `rows = grid.reshape(-1, width)[word_index]`."""
    graph.initializer.append(_ints("flat_shape", [-1, width]))
    return [
        helper.make_node("Reshape", [grid, "flat_shape"], ["flat_grid"], name="flat_grid"),
        helper.make_node("Gather", ["flat_grid", "word_index"], [rows], name=rows, axis=0),
    ]


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    return helper.make_node(kind, inputs, [output], name=TAIL_PREFIX + output, **attributes)


def _declare(graph: GraphProto, labels: int) -> None:
    """Sets the graph's inputs and outputs, and forgets inferred shapes that no longer hold."""
    graph.input.append(helper.make_tensor_value_info("word_index", TensorProto.INT64, ["words"]))
    kinds = (TensorProto.INT64, TensorProto.FLOAT, TensorProto.FLOAT)
    shapes: tuple[list[str | int], ...] = (["words"], ["words"], ["words", labels])
    del graph.output[:]
    graph.output.extend(map(helper.make_tensor_value_info, OUTPUTS, kinds, shapes))
    del graph.value_info[:]


def _initializer(graph: GraphProto, name: str) -> TensorProto:
    return next(tensor for tensor in graph.initializer if tensor.name == name)


def _rename_output(node: NodeProto, name: str) -> None:
    node.output[0] = name


def _ints(name: str, values: list[int]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)
