"""int8 graphs computed in fp32, where a processor is slower in int8."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from nerx.engine.backends.cpu import openvino
from nerx.engine.backends.cpu.int8 import compute_in_fp32
from nerx.engine.backends.select import open_backend
from nerx.engine.bundle import Bundle
from nerx.engine.types import Batch

SCALE, ZERO = np.float32(0.5), np.uint8(128)


def quantized_product(path: Path, levels: np.ndarray, scales: np.ndarray) -> Path:
    """x, rounded to halves between -64 and 63.5, by int8 weights with a scale for each column."""
    onnx = pytest.importorskip("onnx")
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    graph = onnx.helper.make_graph(
        [
            node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "scale", "zero"], ["rounded"]),
            node("DequantizeLinear", ["levels", "scales", "zeros"], ["weights"], axis=1),
            node("MatMul", ["rounded", "weights"], ["y"]),
        ],
        "product",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["rows", len(levels)])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [
            tensor(np.array(SCALE), "scale"),
            tensor(np.array(ZERO), "zero"),
            tensor(levels, "levels"),
            tensor(scales, "scales"),
            tensor(np.zeros(len(scales), np.int8), "zeros"),
        ],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    return path


def test_activations_are_no_longer_rounded_and_weights_are_those_of_int8(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    levels = random.integers(-127, 128, (32, 8)).astype(np.int8)
    scales = random.uniform(0.01, 0.1, 8).astype(np.float32)
    x = random.normal(size=(5, 32)).astype(np.float32)
    model = ov.Core().read_model(quantized_product(tmp_path / "model.onnx", levels, scales))
    compute_in_fp32(model)
    [y] = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x]).values()
    np.testing.assert_allclose(y, x @ (levels * scales), rtol=1e-4, atol=1e-4)
    rounded = np.rint(x / SCALE) * SCALE
    assert np.abs(y - rounded @ (levels * scales)).max() > 0.1
    assert "FakeQuantize" not in {node.get_type_name() for node in model.get_ops()}


def test_a_processor_without_int8_gives_the_built_in_model_its_labels(
    monkeypatch: pytest.MonkeyPatch, cache_home: Path
) -> None:
    bundle = Bundle.load("en")
    random = np.random.default_rng(1)
    ids = random.integers(5, 20_000, (8, 40))
    batch = Batch(ids, np.ones_like(ids), np.arange(ids.size))
    backends = []
    for able in (True, False):
        monkeypatch.setattr(openvino, "multiplies_int8", lambda able=able: able)
        backends.append(open_backend(bundle, "openvino"))
    assert [backend.precision for backend in backends] == ["int8", "int8 in fp32"]
    logits = [backend.run(batch).logits(np.arange(ids.size)) for backend in backends]
    assert 0.0 < np.abs(logits[0] - logits[1]).mean() < 0.2 * np.abs(logits[0]).mean()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are of x86-64")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_products_that_are_slow_or_overflow_are_not_taken(instructions: str) -> None:
    program = "from nerx.engine.backends.cpu.int8 import multiplies_int8 as able; print(able())"
    env = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.stdout == "False\n"
