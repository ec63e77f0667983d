"""An int8 graph in floats gives the labels of int8, and reads no int8."""

import numpy as np
import pytest

pytest.importorskip("nncf")

import onnx
import onnxruntime as ort

from nerx.export import quantize as quantization
from nerx.export.checkpoint import load_checkpoint
from nerx.export.dequantize import dequantize
from nerx.export.onnx import to_onnx
from nerx.export.quantize import quantize

from .conftest import make_checkpoint


def feed(seed: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(4, 150, (4, 12))
    return {
        "input_ids": ids,
        "attention_mask": np.ones((4, 12), np.int64),
        "word_index": np.arange(48),
    }


def logits(model: onnx.ModelProto, seed: int) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["word_logits"], feed(seed))[0]


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_floats_give_what_int8_gives(kind: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(quantization, "_MIN_TABLE_ROWS", 100)  # the toy's tables are small
    fp32 = to_onnx(load_checkpoint(str(make_checkpoint(tmp_path / kind, kind))))
    int8 = quantize(fp32, [feed(seed) for seed in range(20)])
    floats = dequantize(int8)
    onnx.checker.check_model(floats)
    kinds = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    assert kinds & {tensor.data_type for tensor in int8.graph.initializer}
    assert not kinds & {tensor.data_type for tensor in floats.graph.initializer}
    assert not {"QuantizeLinear", "DequantizeLinear"} & {n.op_type for n in floats.graph.node}
    true, back, rounded = (logits(model, 99) for model in (fp32, floats, int8))
    # Weights are as coarse as those of int8; activations are no longer.
    assert np.abs(back - true).mean() < np.abs(rounded - true).mean()
    assert (back.argmax(axis=1) == rounded.argmax(axis=1)).mean() > 0.95
    assert not np.array_equal(back, true)
