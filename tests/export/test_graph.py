"""The decode tail gives what numpy makes of the logits of the plain graph."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optimum")

import onnx
import onnxruntime as ort
from onnx import helper

from nerx.export import graph as graphs
from nerx.export.checkpoint import load_checkpoint
from nerx.export.onnx import to_onnx


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.fixture
def batch() -> dict[str, np.ndarray]:
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    ids = np.random.default_rng(2).integers(4, 200, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask, "word_index": np.array([1, 3, 6, 11, 12])}


def test_the_tail_decodes_the_logits_of_pytorch(bert_folder: Path, batch: dict) -> None:
    torch = pytest.importorskip("torch")
    checkpoint = load_checkpoint(str(bert_folder))
    with torch.inference_mode():
        logits = checkpoint.model(
            input_ids=torch.tensor(batch["input_ids"]),
            attention_mask=torch.tensor(batch["attention_mask"]),
        ).logits.numpy()
    rows = logits.reshape(-1, 5)[batch["word_index"]]
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    label_ids, scores, word_logits = run(to_onnx(checkpoint), **batch)
    np.testing.assert_allclose(word_logits, rows, atol=1e-4)
    np.testing.assert_array_equal(label_ids, rows.argmax(axis=1))
    np.testing.assert_allclose(scores, powers.max(axis=1) / powers.sum(axis=1), atol=1e-5)


def test_only_rows_of_words_reach_the_classifier(bert_folder: Path) -> None:
    model = to_onnx(load_checkpoint(str(bert_folder)))
    order = {name: i for i, node in enumerate(model.graph.node) for name in node.output}
    [product] = [node for node in model.graph.node if "word_hidden" in node.input]
    assert product.op_type == "MatMul"
    assert order["word_hidden"] < order[product.output[0]] < order["word_logits"]
    assert [port.name for port in model.graph.input] == [
        "input_ids",
        "attention_mask",
        "word_index",
    ]


def test_after_the_last_attention_rows_without_a_label_are_left_out(
    bert_folder: Path, batch: dict
) -> None:
    model = to_onnx(load_checkpoint(str(bert_folder)))
    products = [node for node in model.graph.node if node.name.endswith("output/dense/MatMul")]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in products)
    *before, attention, feed_forward = run(model, **batch)
    words = len(batch["word_index"])
    assert len(before) >= 2
    assert all(grid.shape[:2] == batch["input_ids"].shape for grid in before)
    assert attention.shape[:-1] == feed_forward.shape[:-1] == (1, words)


def test_logits_made_in_any_other_way_are_gathered() -> None:
    floats = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
                helper.make_node("Relu", ["rows"], ["logits"]),
            ],
            "other",
            [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["r", "l"])],
            [helper.make_tensor_value_info("logits", floats, ["r", "l", 3])],
            [onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32) - 0.5, "table")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    graphs.append_decode_tail(model, labels=3)
    label_ids, _, word_logits = run(
        model, input_ids=np.array([[0, 1], [2, 1]]), word_index=np.array([1, 2])
    )
    np.testing.assert_array_equal(label_ids, [1, 2])
    np.testing.assert_array_equal(word_logits, [[0, 0.5, 0], [0, 0, 0.5]])


def test_what_padding_holds_changes_nothing(bert_folder: Path, batch: dict) -> None:
    model = to_onnx(load_checkpoint(str(bert_folder)))
    before = run(model, **batch)
    other = batch["input_ids"] + 9 * (1 - batch["attention_mask"])
    after = run(model, **batch | {"input_ids": other})
    np.testing.assert_array_equal(before[2], after[2])
