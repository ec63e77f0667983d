"""FP16 keeps labels; where values overflow, fp32 islands save them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optimum")

import onnx
import onnxruntime as ort

from nerx.export import precision
from nerx.export.checkpoint import load_checkpoint
from nerx.export.onnx import to_onnx

FEED = {
    "input_ids": np.random.default_rng(4).integers(4, 150, (4, 12)),
    "attention_mask": np.ones((4, 12), np.int64),
    "word_index": np.arange(48),
}


def logits(model: onnx.ModelProto) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["word_logits"], FEED)[0]


@pytest.fixture
def hot_folder(bert_folder: Path, tmp_path: Path) -> Path:
    """A BERT whose feed-forward layer goes through values that fp16 cannot hold."""
    torch = pytest.importorskip("torch")
    folder = shutil.copytree(bert_folder, tmp_path / "hot")
    model = load_checkpoint(str(folder)).model
    layer = model.bert.encoder.layer[0]
    with torch.inference_mode():
        layer.intermediate.dense.weight *= 1e6
        layer.output.dense.weight *= 1e-6
    model.save_pretrained(folder)
    return folder


def test_labels_survive_half_precision(bert_folder: Path) -> None:
    model = to_onnx(load_checkpoint(str(bert_folder)))
    half = precision.to_fp16(model, [FEED])
    assert precision.overflowing_nodes(model, [FEED]) == []
    before, after = logits(model), logits(half)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert np.abs(before - after).max() < 0.1
    kinds = {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) == 2}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert len(half.SerializeToString()) < 0.7 * len(model.SerializeToString())


def test_islands_save_what_overflows(hot_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = to_onnx(load_checkpoint(str(hot_folder)))
    before = logits(model)
    islands = precision.overflowing_nodes(model, [FEED])
    assert 0 < len(islands) < len(model.graph.node) / 4
    assert all("layer.0" in name for name in islands)
    saved = logits(precision.to_fp16(model, [FEED]))
    np.testing.assert_array_equal(before.argmax(axis=1), saved.argmax(axis=1))
    monkeypatch.setattr(precision, "overflowing_nodes", lambda *_: [])
    with np.errstate(over="ignore"):
        lost = logits(precision.to_fp16(model, [FEED]))
    assert not np.isfinite(lost).all() or (lost.argmax(1) != before.argmax(1)).any()
