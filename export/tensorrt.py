"""ONNX to a TensorRT engine: strongly typed, in length buckets, kept in this machine's cache.

The precision is the graph's own, so nothing is cast here. TensorRT-RTX also builds ahead of time,
for GPUs that the machine lacks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..engine.backends.select import engine_source
from ..engine.backends.tensorrt.cuda import Gpu
from ..engine.backends.tensorrt.engine_cache import (
    EngineKey,
    StoredEngine,
    store_engine,
    stored_engine,
)
from ..engine.backends.tensorrt.library import FLAVOURS, load_library
from ..engine.backends.tensorrt.profiles import corpus_edges, default_edges, make_profiles
from ..engine.bundle import Bundle
from ..engine.errors import BackendError, ConfigError
from .batches import engine_batches, feeds
from .engine_build import EngineBuild
from .sample import Sample, read_sample, sample_for

BATCH_TOKENS = 16384

_PROBED_DOCUMENTS = 100
_PROBED_TOKENS = 256  # a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What to build.

    runtime: "tensorrt" or "tensorrt-rtx"
    precision: "fp16" or "fp32"
    text: file of real text, which tells where fp16 overflows if the bundle holds int8 alone; None
        for the text that comes with nerx
    sms: compute capabilities to build for, such as 89; none for the GPU of this machine
    device: that GPU, "auto" or "cuda:0"
    batch_tokens: padded subwords a batch
    lengths: file of text like that to be labelled, whose lengths make the length buckets; None
        for buckets that double from 32 on
    workspace_mib: GPU memory for intermediate values, at most; None for all there is
    """

    runtime: str
    precision: str = "fp16"
    text: str | None = None
    sms: tuple[int, ...] = ()
    device: str = "auto"
    batch_tokens: int = BATCH_TOKENS
    lengths: str | None = None
    workspace_mib: int | None = None

    def __post_init__(self) -> None:
        if self.runtime not in FLAVOURS:
            raise ConfigError(f"runtime is {self.runtime!r}; expected {' or '.join(FLAVOURS)}")
        if self.precision not in ("fp16", "fp32"):
            raise ConfigError(
                f"precision is {self.precision!r}; {self.runtime} engines are fp16 or fp32"
            )
        if self.sms and not FLAVOURS[self.runtime].ahead_of_time:
            raise ConfigError(
                f"{self.runtime} builds for the GPU of this machine alone; leave out --sm, or give "
                "--runtime tensorrt-rtx"
            )


def build_engine(bundle: Bundle, config: EngineConfig, say: Callable[[str], None]) -> StoredEngine:
    """Builds the engine of a bundle's ONNX graph into the cache, unless it is there already.

    say: is told what is being done

    Raises:
        BackendError: TensorRT or the GPU is missing, or the graph cannot be built.
        BundleError: the bundle holds no graph of that precision, or another kind of graph.
        ConfigError: TensorRT builds for no such GPU, or batches are too small.
    """
    library = load_library(config.runtime)
    artifact, precision = engine_source(bundle, config.runtime, config.precision)
    path = bundle.artifact_path(artifact)
    gpu = None if config.sms else Gpu.find(config.device)
    key = EngineKey(
        onnx_sha256=artifact.files[artifact.file],
        flavour=config.runtime,
        version=library.version,
        precision=precision,
        sms=config.sms if gpu is None else (gpu.sm,),
        # An engine of TensorRT proper is timed on one GPU; others of its kind may run it badly.
        gpu=gpu.name if gpu and not library.flavour.ahead_of_time else None,
        batch_tokens=config.batch_tokens,
        profiles=make_profiles(_edges(bundle, config.lengths), config.batch_tokens),
    )
    if (stored := stored_engine(key)) and _is_whole(stored):
        say(f"the engine is built already: {stored.path}")
        return stored
    graph = (
        _float_graph(bundle, path, config) if artifact.precision == "int8" else path.read_bytes()
    )
    target = gpu.name if gpu else ", ".join(f"sm{sm}" for sm in key.sms)
    say(f"building with {config.runtime} {library.version} for {target}")
    if gpu:
        gpu.use()
    build = EngineBuild(library, key, config.workspace_mib, gpu)
    return store_engine(key, build.run(graph, path.name))


def engine_sample(bundle: Bundle, text: str | None) -> Sample:
    """A file's documents, or those of the text that comes with nerx."""
    sample = sample_for(bundle, text)
    return sample.without_tags() if text is None else sample


def why_not_here(stored: StoredEngine) -> str:
    """Why no GPU of this machine can run an engine; empty if the first one can."""
    try:
        gpu = Gpu.find()
    except BackendError as error:
        return str(error)
    return "" if stored.key.fits(gpu) else f"it is not for this GPU, sm{gpu.sm} ({gpu.name})"


def _edges(bundle: Bundle, text: str | None) -> tuple[int, ...]:
    """Longest length of each bucket."""
    if text is None:
        return default_edges(bundle.max_length)
    rows = engine_batches(bundle, read_sample(text, bundle.unit), 1)  # one a batch
    lengths = [batch.input_ids.shape[1] for batch, _ in rows]
    return corpus_edges(np.array(lengths, np.int32), bundle.max_length)


def _is_whole(stored: StoredEngine) -> bool:
    try:
        stored.read()
    except BackendError:
        return False
    return True


def _float_graph(bundle: Bundle, path: Path, config: EngineConfig) -> bytes:
    """An int8 graph in the precision of the engine."""
    try:
        import onnx

        from .dequantize import dequantize
        from .precision import to_fp16
    except ImportError as error:
        raise ConfigError(
            f"{bundle.name} holds int8 alone, and to dequantize it needs more than this "
            f"environment has ({error}): run `pip install 'nerx-engine[export]'`"
        ) from error
    graph = dequantize(onnx.load(path))
    if config.precision == "fp16":
        sample = engine_sample(bundle, config.text).head(_PROBED_DOCUMENTS)
        graph = to_fp16(graph, feeds(bundle, sample, max(_PROBED_TOKENS, bundle.max_length)))
    data: bytes = graph.SerializeToString()
    return data
