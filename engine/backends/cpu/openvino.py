"""OpenVINO on a CPU."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from ...errors import BackendError
from ...files.cache import private_folder
from ...types import Batch, BatchLabels
from ..cores import usable_cores
from ..signature import Signature
from .int8 import compute_in_fp32, multiplies_int8


class OpenVinoBackend:
    """A model compiled by OpenVINO: one stream a core, one inference request a thread."""

    name = "openvino"
    pools = False
    packs = False
    device = "cpu"
    batch_tokens = 1000  # 500 to 2000 are within a few percent (docs/export.md)

    def __init__(
        self, path: Path, precision: str, *, sha256: str, threads: int | None = None
    ) -> None:
        """Loads and compiles a model; int8 is computed in fp32 where that is faster.

        path: an ONNX graph
        sha256: of the file, to find what was compiled before
        threads: cores to compute on, None for all

        Raises:
            BackendError: OpenVINO cannot load it.
        """
        in_fp32 = precision == "int8" and not multiplies_int8()
        self.precision = "int8 in fp32" if in_fp32 else precision
        self.streams = threads or usable_cores()
        try:
            self._model = _compile(path, self.streams, sha256, in_fp32)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot load {path}: {error}") from error
        self._signature = Signature.of(
            [port.get_any_name() for port in self._model.inputs],
            [name for port in self._model.outputs for name in port.get_names()],
        )
        self._local = threading.local()
        # One call before there are threads: two first calls at once may wait for each other for
        # ever, one for the GIL and the other for what OpenVINO sets up when it first meets NumPy.
        one = np.zeros((1, 1), np.int64)
        self.run(Batch(input_ids=one, attention_mask=one + 1, word_index=one[0]))

    def run(self, batch: Batch) -> BatchLabels:
        """Labels the positions of a batch; see `Backend.run`."""
        request = self._request()
        try:
            request.infer(self._signature.feed(batch), share_inputs=True)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed on a {batch}: {error}") from error
        outputs = {name: request.get_tensor(name).data for name in self._signature.outputs}
        return self._signature.labels(outputs, batch)

    def _request(self) -> Any:
        if not hasattr(self._local, "request"):
            self._local.request = self._model.create_infer_request()
        return self._local.request


def _compile(path: Path, streams: int, sha256: str, in_fp32: bool) -> Any:
    core = ov.Core()
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # Left to itself, OpenVINO computes in bfloat16 where the CPU can: other labels there.
        "INFERENCE_PRECISION_HINT": "f32",
        # What OpenVINO keeps for each shape of a batch, about 6 MB, is bounded: 1.2 GB in all for
        # `en` instead of 2.4 GB and more, for about 5 % of the speed.
        "CPU_RUNTIME_CACHE_CAPACITY": 1000,
    }
    with suppress(BackendError):  # without a cache, each start costs a second more
        options["CACHE_DIR"] = str(private_folder("openvino", sha256[:16]))
    if not in_fp32:
        return core.compile_model(str(path), "CPU", options)
    model = core.read_model(str(path))
    compute_in_fp32(model)
    return core.compile_model(model, "CPU", options)
