"""The choice of a runtime, and what is said when there is none."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nerx.engine.backends import select
from nerx.engine.backends.select import open_backend
from nerx.engine.bundle import Artifact, Bundle, file_hashes
from nerx.engine.errors import BackendError, BundleError

from .conftest import make_bundle


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Makes the selection believe that no other runtimes are installed."""

    def pretend(*names: str) -> None:
        monkeypatch.setattr(select, "find_spec", lambda name: name if name in names else None)

    return pretend


def unloadable(folder: Path) -> Bundle:
    (folder / "model").write_bytes(b"")
    bundle = make_bundle(folder, "model")
    held = Artifact(format="onnx", precision="fp32", files=file_hashes(folder, ["model"]))
    return replace(bundle, artifacts=(held,))


def test_auto_takes_the_first_runtime_that_is_installed(decoding_bundle: Bundle, only) -> None:
    for name in ("openvino", "onnxruntime"):
        pytest.importorskip(name)
    assert open_backend(decoding_bundle).name == "openvino"
    only("onnxruntime")
    assert open_backend(decoding_bundle).name == "onnxruntime"


def test_messages_name_the_package_to_install(tmp_path: Path, only) -> None:
    bundle = unloadable(tmp_path)
    only()
    with pytest.raises(BackendError, match="run `pip install openvino`"):
        open_backend(bundle)
    only("openvino")
    with pytest.raises(BackendError, match="run `pip install onnxruntime`"):
        open_backend(bundle, "onnxruntime")


def test_torch_comes_with_an_extra(tmp_path: Path, only) -> None:
    only("openvino")
    with pytest.raises(BackendError, match=r"run `pip install 'nerx-engine\[cuda\]'`"):
        open_backend(unloadable(tmp_path), "torch")


def test_unknown_names_and_missing_precisions(tmp_path: Path) -> None:
    bundle = unloadable(tmp_path)
    with pytest.raises(BackendError, match="unknown backend 'tpu'; expected auto, openvino"):
        open_backend(bundle, "tpu")
    with pytest.raises(BackendError, match="device 'cuda:0' is not supported by backend openvino"):
        open_backend(bundle, "openvino", device="cuda:0")
    with pytest.raises(BackendError, match="device 'npu' is not supported"):
        open_backend(bundle, device="npu")
    with pytest.raises(BundleError, match="no int8 graph, only fp32"):
        open_backend(bundle, precision="int8")


def test_cuda_needs_an_onnx_runtime_that_has_it(decoding_bundle: Bundle) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    for device in ("cuda", "cuda:1"):
        with pytest.raises(BackendError, match=r"built without CUDA: run .*`pip install onnxrun"):
            open_backend(decoding_bundle, device=device)


def test_cuda_that_does_not_start_is_said_aloud(
    decoding_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ort = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):  # ONNX Runtime's own
        backend = open_backend(decoding_bundle, "onnxruntime", device="cuda")
    assert backend.device == "cpu"
    assert "cannot use CUDA here: labelling on the CPU instead" in caplog.text


def test_selecting_imports_no_runtime() -> None:
    code = (
        "import sys, nerx.engine.backends.select, nerx.engine.bundle\n"
        "loaded = {'openvino', 'onnxruntime', 'torch'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
