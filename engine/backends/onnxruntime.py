"""ONNX Runtime on a CPU."""

from pathlib import Path

import onnxruntime as ort

from nerx.engine.backends.cores import usable_cores
from nerx.engine.backends.signature import Signature
from nerx.engine.errors import BackendError
from nerx.engine.types import Batch, Labels

_ERRORS_ONLY = 3


class OnnxRuntimeBackend:
    """A session of ONNX Runtime: each calling thread runs its batch on one core."""

    name = "onnxruntime"
    device = "cpu"
    batch_tokens = 1000  # 500 to 2000 are within a few percent (docs/export.md)

    def __init__(self, path: Path, precision: str) -> None:
        """Loads an .onnx file.

        Raises:
            BackendError: ONNX Runtime cannot load it.
        """
        self.precision = precision
        self.streams = usable_cores()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # planned for equal shapes; ours differ
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base class
            raise BackendError(f"ONNX Runtime cannot load {path}: {error}") from error
        self._signature = Signature.of(
            [port.name for port in self._session.get_inputs()],
            [port.name for port in self._session.get_outputs()],
        )

    def run(self, batch: Batch) -> Labels:
        """Labels the positions of a batch; see `Backend.run`."""
        names = self._signature.outputs
        try:
            outputs = self._session.run(list(names), self._signature.feed(batch))
        except Exception as error:  # its exceptions share no base class
            rows, length = batch.input_ids.shape
            raise BackendError(
                f"ONNX Runtime failed on a {rows} x {length} batch: {error}"
            ) from error
        return self._signature.labels(dict(zip(names, outputs, strict=True)), batch)
