"""ONNX to a TensorRT engine: strongly typed, in length buckets, kept in this machine's cache.

The precision is the graph's own, so nothing is cast here. TensorRT-RTX also builds ahead of time,
for GPUs that the machine lacks.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from nerx.engine.backends.cuda import Gpu
from nerx.engine.backends.engine_cache import EngineKey, StoredEngine, store_engine, stored_engine
from nerx.engine.backends.profiles import Profile, default_edges, make_profiles
from nerx.engine.backends.select import engine_source
from nerx.engine.backends.signature import Signature
from nerx.engine.backends.tensorrt_library import FLAVOURS, Library, load_library
from nerx.engine.bundle import Bundle
from nerx.engine.cache import private_folder
from nerx.engine.errors import BackendError, BundleError, ConfigError

if TYPE_CHECKING:
    import tensorrt as trt

BATCH_TOKENS = 16384

_MIB = 1 << 20
_PROBED_DOCUMENTS = 100
_PROBED_TOKENS = 256  # a batch
_PORTS = {  # what `append_decode_tail` makes
    "input_ids": "INT64",
    "attention_mask": "INT64",
    "word_index": "INT64",
    "label_ids": "INT64",
    "scores": "FLOAT",
    "word_logits": "FLOAT",
}


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
    edges: longest length of each bucket; None to double them from 32 on
    workspace_mib: GPU memory for intermediate values, at most; None for all there is
    """

    runtime: str
    precision: str = "fp16"
    text: str | None = None
    sms: tuple[int, ...] = ()
    device: str = "auto"
    batch_tokens: int = BATCH_TOKENS
    edges: tuple[int, ...] | None = None
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
    edges = config.edges or default_edges(bundle.max_length)
    key = EngineKey(
        onnx_sha256=artifact.files[artifact.file],
        flavour=config.runtime,
        version=library.version,
        precision=precision,
        sms=config.sms if gpu is None else (gpu.sm,),
        # An engine of TensorRT proper is timed on one GPU; others of its kind may run it badly.
        gpu=gpu.name if gpu and not library.flavour.ahead_of_time else None,
        batch_tokens=config.batch_tokens,
        profiles=make_profiles(edges, config.batch_tokens),
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
    return store_engine(key, _Build(library, key, config.workspace_mib, gpu).run(graph, path.name))


def why_not_here(stored: StoredEngine) -> str:
    """Why no GPU of this machine can run an engine; empty if the first one can."""
    try:
        gpu = Gpu.find()
    except BackendError as error:
        return str(error)
    return "" if stored.key.fits(gpu) else f"it is not for this GPU, sm{gpu.sm} ({gpu.name})"


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

        from nerx.export.batches import engine_batches
        from nerx.export.dequantize import dequantize
        from nerx.export.engine_gate import engine_sample
        from nerx.export.precision import to_fp16
    except ImportError as error:
        raise ConfigError(
            f"{bundle.name} holds int8 alone, and to dequantize it needs more than this "
            f"environment has ({error}): run `pip install 'nerx-engine[export]'`"
        ) from error
    graph = dequantize(onnx.load(path))
    if config.precision == "fp16":
        sample = engine_sample(bundle, config.text).head(_PROBED_DOCUMENTS)
        inputs = Signature(("input_ids", "attention_mask", "word_index"), ())
        batches = engine_batches(bundle, sample, max(_PROBED_TOKENS, bundle.max_length))
        graph = to_fp16(graph, [inputs.feed(batch) for batch, _ in batches])
    data: bytes = graph.SerializeToString()
    return data


class _Build:
    """One build; its objects of TensorRT depend on one another, so that all are kept."""

    def __init__(
        self, library: Library, key: EngineKey, workspace_mib: int | None, gpu: Gpu | None
    ) -> None:
        self._library = library
        self._key = key
        self._gpu = gpu
        module = library.module
        self._builder: trt.Builder = module.Builder(library.log)
        typed = 1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self._network: trt.INetworkDefinition = self._builder.create_network(typed)
        self._config: trt.IBuilderConfig = self._builder.create_builder_config()
        if workspace_mib is not None:
            pool = module.MemoryPoolType.WORKSPACE
            self._config.set_memory_pool_limit(pool, workspace_mib * _MIB)
        self._config.clear_flag(module.BuilderFlag.TF32)  # fp32 means fp32

    def run(self, graph: bytes, name: str) -> bytes:
        """The engine of an ONNX graph; its name is for messages."""
        self._parse(graph, name)
        self._target()
        for profile in self._key.profiles:
            self._add_profile(profile)
        cache = self._open_timing_cache()
        monitor = _make_monitor(self._library.module)
        self._config.progress_monitor = monitor
        with monitor.bar:
            plan = self._builder.build_serialized_network(self._network, self._config)
        if monitor.interrupted:
            raise KeyboardInterrupt
        if plan is None:
            raise BackendError(
                f"{self._key.flavour} cannot build {name}: {self._library.said()}; where it "
                "lacks memory, give fewer --batch-tokens or a larger --workspace"
            )
        if cache is not None:
            cache.write_bytes(bytes(self._config.get_timing_cache().serialize()))
        return bytes(plan)

    def _parse(self, graph: bytes, name: str) -> None:
        parser: trt.OnnxParser = self._library.module.OnnxParser(self._network, self._library.log)
        if not parser.parse(graph):
            reasons = [parser.get_error(number).desc() for number in range(parser.num_errors)]
            raise BackendError(
                f"{self._key.flavour} cannot read {name}: {'; '.join(reasons) or 'no reason given'}"
            )
        network = self._network
        ports = [network.get_input(number) for number in range(network.num_inputs)]
        ports += [network.get_output(number) for number in range(network.num_outputs)]
        found = {port.name: port.dtype.name for port in ports}
        if found != _PORTS:
            raise BundleError(
                f"{name} has the inputs and outputs {_listed(found)}; expected {_listed(_PORTS)}: "
                "export the model again"
            )

    def _target(self) -> None:
        """Sets the GPUs to build for, where that can be chosen."""
        if not self._library.flavour.ahead_of_time:
            return
        module, config = self._library.module, _untyped(self._config)
        # Without it, the engine takes memory of its own while it runs, which no graph can record.
        config.set_flag(module.BuilderFlag.REQUIRE_USER_ALLOCATION)
        known = module.ComputeCapability.__members__
        names = ["CURRENT"] if self._gpu else [f"SM{sm}" for sm in self._key.sms]
        if missing := [name.lower() for name in names if name not in known]:
            raise ConfigError(
                f"{self._key.flavour} {self._key.version} does not build for {', '.join(missing)}; "
                f"expected {', '.join(name[2:] for name in known if name.startswith('SM'))}"
            )
        config.num_compute_capabilities = len(names)
        for number, name in enumerate(names):
            config.set_compute_capability(known[name], number)

    def _add_profile(self, profile: Profile) -> None:
        made = self._builder.create_optimization_profile()
        for name, (smallest, usual, largest) in profile.shapes().items():
            made.set_shape(name, *map(self._library.module.Dims, (smallest, usual, largest)))
        if self._config.add_optimization_profile(made) < 0:
            raise BackendError(
                f"{self._key.flavour} refuses the profile {profile}: {self._library.said()}"
            )

    def _open_timing_cache(self) -> Path | None:
        """What earlier builds on this GPU measured; ahead of time there is nothing to measure."""
        if self._gpu is None or self._library.flavour.ahead_of_time:
            return None
        name = f"timings-{self._key.version}-sm{self._gpu.sm}-{self._gpu.name}".replace(" ", "-")
        path = private_folder("engines") / name
        known = path.read_bytes() if path.is_file() else b""
        cache = self._config.create_timing_cache(known)
        self._config.set_timing_cache(cache, False)
        return path


def _make_monitor(module: Any) -> Any:
    """Shows the progress of a build on a terminal, and ends it at Ctrl-C."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)
            self.interrupted = False
            self.bar: tqdm[Any] = tqdm(
                desc="building", unit=" steps", disable=not sys.stderr.isatty(), leave=False
            )

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            pass

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                self.bar.update()
            except KeyboardInterrupt:  # it must not pass through TensorRT
                self.interrupted = True
            return not self.interrupted

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()


def _untyped(value: Any) -> Any:
    """For calls that the stubs of TensorRT lack: they are TensorRT-RTX's own."""
    return value


def _listed(ports: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind.lower()}" for name, kind in ports.items())
