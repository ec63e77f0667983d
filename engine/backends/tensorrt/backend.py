"""TensorRT on an NVIDIA GPU, in both flavours: runs the engines that `nerx export` builds.

Two lanes, each a stream with its own contexts and buffers, take batches in turn: while one
computes, the other copies. No engine is built here, and all buffers are taken at the start.
"""

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BackendError
from ...types import Batch, BatchLabels
from ..signature import Signature
from .cuda import Gpu
from .engine_cache import StoredEngine, find_engine
from .lane import Lane, context_options
from .library import Library, load_library
from .profiles import Profile, pieces

if TYPE_CHECKING:
    import tensorrt as trt


class TensorRtBackend:
    """An engine of TensorRT on one GPU."""

    streams = 2  # lanes
    pools = False
    packs = False

    def __init__(
        self, onnx_sha256: str, precision: str, *, flavour: str, device: str = "auto", build: str
    ) -> None:
        """Finds the engine of a graph in the cache and loads it.

        onnx_sha256, precision: of the graph
        flavour: "tensorrt" or "tensorrt-rtx"
        device: "auto", "cuda" or "cuda:0"
        build: the command that builds the engine, for messages

        Raises:
            BackendError: TensorRT, a GPU or the engine is missing, or does not go with the others.
        """
        library = load_library(flavour)
        self._gpu = Gpu.find(device)
        self._gpu.use()
        stored = find_engine(onnx_sha256, precision, flavour, library.version, self._gpu, build)
        self.name = flavour
        self.precision = precision
        self.device = f"cuda:{self._gpu.index}"
        self.batch_tokens = stored.key.batch_tokens
        self._profiles = stored.key.profiles
        self._library = library
        # The engine needs it for as long as it is used.
        self._runtime, engine = load_engine(library, stored)
        self._signature = _read_signature(library, engine, self._profiles)
        self._lanes: SimpleQueue[Lane] = SimpleQueue()
        how = context_options(library, engine)
        for _ in range(self.streams):
            lane = Lane(library, engine, self._profiles, how)
            for number, profile in enumerate(self._profiles):
                self._run_on(lane, number, _usual_batch(profile))  # kernels load at first use
            self._lanes.put(lane)

    def run(self, batch: Batch) -> BatchLabels:
        """Labels the positions of a batch; see `Backend.run`."""
        self._gpu.use()  # CUDA keeps it by thread
        lane = self._lanes.get()
        try:
            # At least one piece, for its empty outputs.
            found = [
                self._run_on(lane, number, piece) for number, piece in pieces(batch, self._profiles)
            ]
        finally:
            self._lanes.put(lane)
        outputs = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        return self._signature.labels(outputs, batch)

    def _run_on(self, lane: Lane, number: int, batch: Batch) -> dict[str, np.ndarray[Any, Any]]:
        outputs = lane.run(number, self._signature.feed(batch))
        if not np.isfinite(outputs["scores"]).all():
            raise BackendError(
                f"{self.name} gave scores that are no numbers on a {batch}: this "
                f"model does not hold in {self.precision}; build its engine in fp32"
            )
        return outputs


def load_engine(library: Library, stored: StoredEngine) -> tuple["trt.Runtime", "trt.ICudaEngine"]:
    """Loads an engine onto the current GPU, its hash compared first.

    Raises:
        BackendError: the file is not what was built, or TensorRT refuses it.
    """
    module = library.module
    data = stored.read()
    runtime: trt.Runtime = module.Runtime(library.log)
    if reasons := _why_invalid(module, runtime, data):
        raise BackendError(
            f"{library.flavour.name} {library.version} cannot run {stored.path} here: {reasons}"
        )
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise BackendError(f"{library.flavour.name} cannot load {stored.path}: {library.said()}")
    return runtime, engine


def _why_invalid(module: Any, runtime: Any, data: bytes) -> str:
    """TensorRT-RTX's reasons against an engine, before it loads it; none in the other flavour."""
    if not hasattr(runtime, "get_engine_validity"):
        return ""
    validity, diagnostics = runtime.get_engine_validity(data)
    if validity != module.EngineValidity.INVALID:
        return ""
    reasons = module.EngineInvalidityDiagnostics.__members__.items()
    found = [name.lower().replace("_", " ") for name, bit in reasons if int(diagnostics) & int(bit)]
    return ", ".join(found) or "no reason given"


def _read_signature(
    library: Library, engine: "trt.ICudaEngine", profiles: tuple[Profile, ...]
) -> Signature:
    """The engine's inputs and outputs, which must be those of `nerx export`.

    Raises:
        BackendError: they are not, or the engine has other profiles than its record says.
    """
    names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
    is_input = library.module.TensorIOMode.INPUT
    inputs = [name for name in names if engine.get_tensor_mode(name) == is_input]
    signature = Signature.of(inputs, [name for name in names if name not in inputs])
    wanted = [{name: profile.shapes().get(name) for name in inputs} for profile in profiles]
    held = [
        {name: tuple(map(tuple, engine.get_tensor_profile_shape(name, number))) for name in inputs}
        for number in range(engine.num_optimization_profiles)
    ]
    if "scores" not in signature.outputs or held != wanted:
        raise BackendError(
            f"the engine takes {', '.join(inputs)} in {len(held)} profiles, not what its record "
            "says: build it again with `nerx export`"
        )
    return signature


def _usual_batch(profile: Profile) -> Batch:
    """A batch of the shape that a profile's kernels were tuned for."""
    (_, grid, _), (_, words, _) = (profile.shapes()[name] for name in ("input_ids", "word_index"))
    return Batch(
        input_ids=np.zeros(grid, np.int64),
        attention_mask=np.ones(grid, np.int64),
        word_index=np.arange(words[0], dtype=np.int64),
    )
