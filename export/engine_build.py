"""One build of a TensorRT engine: parse, set profiles and targets, build; progress, and Ctrl-C."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..engine.backends.tensorrt.cuda import Gpu
from ..engine.backends.tensorrt.engine_cache import EngineKey
from ..engine.backends.tensorrt.library import Library
from ..engine.backends.tensorrt.profiles import Profile
from ..engine.errors import BackendError, BundleError, ConfigError
from ..engine.files.cache import private_folder

if TYPE_CHECKING:
    import tensorrt as trt

_MIB = 1 << 20
_PORTS = {  # what `append_decode_tail` makes
    "input_ids": "INT64",
    "attention_mask": "INT64",
    "word_index": "INT64",
    "label_ids": "INT64",
    "scores": "FLOAT",
    "word_logits": "FLOAT",
}


class EngineBuild:
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
