"""ONNX Runtime on a CPU, or on an NVIDIA GPU through its CUDA provider."""

import logging
from pathlib import Path
from typing import Any

import onnxruntime as ort

from ...errors import BackendError
from ...types import Batch, BatchLabels
from ..cores import usable_cores
from ..signature import Signature

_ERRORS_ONLY = 3
_CUDA = "CUDAExecutionProvider"
_GPU_BATCH_TOKENS = 16384  # not measured
_log = logging.getLogger(__name__)


class OnnxRuntimeBackend:
    """A session of ONNX Runtime: each calling thread runs its batch, on a CPU on one core."""

    name = "onnxruntime"
    pools = False
    packs = False
    device = "cpu"
    batch_tokens = 1000  # 500 to 2000 are within a few percent (docs/export.md)

    def __init__(
        self, path: Path, precision: str, device: str = "cpu", *, threads: int | None = None
    ) -> None:
        """Loads an .onnx file.

        device: "cpu", "cuda" or "cuda:0"; where CUDA does not start, a warning says so and the CPU
            labels instead
        threads: batches that a CPU runs at once, a core each; None for all cores

        Raises:
            BackendError: ONNX Runtime cannot load it, or was built without CUDA.
        """
        self.precision = precision
        self.streams = threads or usable_cores()
        providers = _providers(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # planned for equal shapes; ours differ
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its exceptions share no base class
            raise BackendError(f"ONNX Runtime cannot load {path}: {error}") from error
        if _CUDA in self._session.get_providers():
            self.device, self.streams, self.batch_tokens = device, 2, _GPU_BATCH_TOKENS
        elif device != "cpu":
            _log.warning("ONNX Runtime cannot use CUDA here: labelling on the CPU instead")
        self._signature = Signature.of(
            [port.name for port in self._session.get_inputs()],
            [port.name for port in self._session.get_outputs()],
        )

    def run(self, batch: Batch) -> BatchLabels:
        """Labels the positions of a batch; see `Backend.run`."""
        names = self._signature.outputs
        try:
            outputs = self._session.run(list(names), self._signature.feed(batch))
        except Exception as error:  # its exceptions share no base class
            raise BackendError(f"ONNX Runtime failed on a {batch}: {error}") from error
        return self._signature.labels(dict(zip(names, outputs, strict=True)), batch)


def _providers(device: str) -> list[Any]:
    """What computes, the preferred one first."""
    cpu = "CPUExecutionProvider"
    if device == "cpu":
        return [cpu]
    if _CUDA not in ort.get_available_providers():
        raise BackendError(
            "this ONNX Runtime was built without CUDA: run `pip uninstall onnxruntime`, then "
            "`pip install onnxruntime-gpu`"
        )
    ort.preload_dlls()  # those of the packages that onnxruntime-gpu[cuda,cudnn] installs
    return [(_CUDA, {"device_id": device.partition(":")[2] or "0"}), cpu]
