"""Int8 graphs: a byte a weight, ranges fixed at export, labels that no batch changes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nncf")

import onnx
import onnxruntime as ort

from nerx.export import quantize as module
from nerx.export.checkpoint import load_checkpoint
from nerx.export.graph import tie, untie
from nerx.export.onnx import to_onnx
from nerx.export.quantize import quantize, quantize_embeddings
from nerx.export.sensitivity import most_sensitive, put_back, quantized_products


def feed(seed: int, rows: int = 8, length: int = 14) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(4, 150, (rows, length))
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "word_index": np.arange(ids.size),
    }


def logits(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["word_logits"], inputs)[0]


@pytest.fixture(scope="module")
def graphs(bert_folder: Path) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    fp32 = to_onnx(load_checkpoint(str(bert_folder)))
    return fp32, quantize(fp32, [feed(seed) for seed in range(6)])


def kinds(model: onnx.ModelProto, op: str) -> Sequence[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op]


def test_every_product_but_the_classifier_is_int8(graphs) -> None:
    fp32, int8 = graphs
    before = logits(fp32, feed(9))
    after = logits(int8, feed(9))
    assert (before.argmax(1) == after.argmax(1)).mean() > 0.98
    with_weights = [name for name in quantized_products(int8) if "dense" in name or "self" in name]
    assert len([name for name in with_weights if not name.endswith("self/MatMul")]) >= 12
    assert all(not name.startswith("decode/") for name in quantized_products(int8))


def test_no_range_depends_on_the_batch(graphs) -> None:
    _, int8 = graphs
    assert not kinds(int8, "DynamicQuantizeLinear")
    known = {tensor.name for tensor in int8.graph.initializer}
    assert all(set(node.input[1:]) <= known for node in kinds(int8, "QuantizeLinear"))
    together = feed(11)
    whole = logits(int8, together)
    for row in range(len(together["input_ids"])):
        ids = together["input_ids"][row : row + 1]
        alone = {
            "input_ids": ids, "attention_mask": np.ones_like(ids), "word_index": np.arange(14)
        }  # fmt: skip
        np.testing.assert_allclose(logits(int8, alone), whole[14 * row : 14 * row + 14], atol=0.05)


def test_embeddings_keep_their_rows(monkeypatch: pytest.MonkeyPatch, graphs) -> None:
    fp32, _ = graphs
    monkeypatch.setattr(module, "_MIN_TABLE_ROWS", 100)
    model = onnx.ModelProto()
    model.CopyFrom(fp32)
    quantize_embeddings(model)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    [name] = [name for name in stored if name.endswith("word_embeddings.weight.int8")]
    levels = onnx.numpy_helper.to_array(stored[name])
    scale = onnx.numpy_helper.to_array(stored[name.replace(".int8", ".scale")])
    table = next(t for t in fp32.graph.initializer if t.name == name.removesuffix(".int8"))
    error = np.abs(levels * scale - onnx.numpy_helper.to_array(table)).max(axis=1)
    assert levels.dtype == np.int8
    assert (error <= scale[:, 0] * 0.501).all()  # half a level, to the rounding of float32
    assert np.abs(logits(model, feed(9)) - logits(fp32, feed(9))).max() < 1.0


def test_shared_weights_are_parted_and_joined_again(graphs) -> None:
    fp32, _ = graphs
    model = onnx.ModelProto()
    model.CopyFrom(fp32)
    first, second, *_ = [node for node in kinds(model, "MatMul") if "query" in node.name]
    second.input[1] = first.input[1]
    wanted = logits(model, feed(3))
    assert untie(model)
    assert second.input[1] != first.input[1]
    np.testing.assert_array_equal(logits(model, feed(3)), wanted)
    tie(model)
    assert second.input[1] == first.input[1]
    np.testing.assert_array_equal(logits(model, feed(3)), wanted)


def test_putting_back_what_hurts_most_helps(graphs) -> None:
    fp32, int8 = graphs
    probes = [feed(20, rows=2)]
    ranking = most_sensitive(fp32, int8, probes)
    assert sorted(ranking) == sorted(quantized_products(int8))
    wanted = logits(fp32, probes[0])

    def error(model: onnx.ModelProto) -> float:
        return float(np.mean((logits(model, probes[0]) - wanted) ** 2))

    restored = put_back(int8, ranking[:4])
    assert set(quantized_products(restored)) == set(ranking[4:])
    assert error(restored) < error(int8)
    assert len(kinds(restored, "QuantizeLinear")) < len(kinds(int8, "QuantizeLinear"))
    assert len(restored.SerializeToString()) <= len(int8.SerializeToString())
