"""One stream of TensorRT: its contexts, its buffers, and CUDA graphs of the shapes seen most."""

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError
from .cuda import DeviceMemory, Graph, Mirror, Stream
from .library import Library
from .profiles import Profile, Shape

if TYPE_CHECKING:
    import tensorrt as trt

_Arrays = dict[str, NDArray[Any]]
_Shapes = tuple[Shape, ...]

POSITION_STEP = 64  # positions are padded to a multiple, so that shapes come again
GRAPH_TOKENS = 2048  # above it, the GPU computes longer than the host needs to launch
GRAPHS = 16  # a lane
HOT = 3  # times a shape is seen before it is recorded


class Lane:
    """A stream on which one batch runs at a time.

    Its contexts, one a profile and one a recorded shape, share their working memory.
    """

    def __init__(
        self,
        library: Library,
        engine: "trt.ICudaEngine",
        profiles: tuple[Profile, ...],
        how: Any,
    ) -> None:
        """Takes all memory that any batch needs.

        how: of `context_options`

        Raises:
            BackendError: the GPU has too little of it.
        """
        self._library = library
        self._engine = engine
        self._profiles = profiles
        self._how = how
        self._stream = Stream()
        self._memory = DeviceMemory(int(engine.device_memory_size_v2))
        most = max(profile.max_tokens for profile in profiles)
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self._rows = {name: _row(engine.get_tensor_shape(name)) for name in names}
        self._buffers = {
            name: Mirror(
                library.module.nptype(engine.get_tensor_dtype(name)), most * prod(self._rows[name])
            )
            for name in names
        }
        self._contexts = [self._open_context(number) for number in range(len(profiles))]
        self._seen: Counter[_Shapes] = Counter()
        self._graphs: dict[_Shapes, tuple[trt.IExecutionContext, Graph] | None] = {}

    def run(self, number: int, feed: _Arrays) -> _Arrays:
        """Runs a batch that one profile holds.

        number: of the profile
        feed: the inputs by name; without positions, nothing runs

        Returns the outputs by name, a row a position.
        """
        positions = len(feed["word_index"])
        if positions:
            feed = feed | {"word_index": self._padded(feed["word_index"], number)}
            for name, values in feed.items():
                self._buffers[name].upload(values, self._stream)
            self._execute(number, feed)
        found = {
            name: self._buffers[name].download(positions * prod(row), self._stream)
            for name, row in self._rows.items()
            if name not in feed
        }
        self._stream.wait()
        return {
            name: values.reshape((positions, *self._rows[name])).copy()
            for name, values in found.items()
        }

    def _padded(self, word_index: NDArray[Any], number: int) -> NDArray[Any]:
        """Repeats the first place up to a round number of positions that the profile holds."""
        size = -(-len(word_index) // POSITION_STEP) * POSITION_STEP
        size = min(size, self._profiles[number].max_tokens)
        padded = np.zeros(size, word_index.dtype)
        padded[: len(word_index)] = word_index
        return padded

    def _execute(self, number: int, feed: _Arrays) -> None:
        shapes = tuple(values.shape for values in feed.values())
        if ready := self._graphs.get(shapes):
            ready[1].launch(self._stream)
            return
        self._enqueue(self._contexts[number], feed)
        if feed["input_ids"].size > GRAPH_TOKENS or shapes in self._graphs:
            return
        self._seen[shapes] += 1
        if self._seen[shapes] == HOT and len(self._graphs) < GRAPHS:
            self._graphs[shapes] = self._record(number, feed)

    def _record(self, number: int, feed: _Arrays) -> tuple["trt.IExecutionContext", Graph] | None:
        """A graph of a shape in a context of its own, as other shapes would change what it uses."""
        try:
            context = self._open_context(number)
            self._enqueue(context, feed)  # what a context does once for a shape is not recorded
            self._stream.wait()
            able = getattr(context, "is_stream_capturable", lambda stream: True)
            if not able(self._stream.handle):
                return None
            graph = Graph(self._stream, lambda: context.execute_async_v3(self._stream.handle))
        except BackendError:
            return None  # it runs without
        return context, graph

    def _enqueue(self, context: "trt.IExecutionContext", feed: _Arrays) -> None:
        accepted = [context.set_input_shape(name, values.shape) for name, values in feed.items()]
        if not all(accepted) or not context.execute_async_v3(self._stream.handle):
            rows, length = feed["input_ids"].shape
            raise BackendError(
                f"{self._library.flavour.name} failed on a {rows} x {length} batch: "
                f"{self._library.said()}"
            )

    def _open_context(self, number: int) -> "trt.IExecutionContext":
        context = self._engine.create_execution_context(self._how)
        if context is None:
            raise BackendError(
                f"{self._library.flavour.name} cannot open a context: {self._library.said()}"
            )
        context.set_device_memory(self._memory.address, self._memory.nbytes)
        context.set_optimization_profile_async(number, self._stream.handle)
        for name, buffer in self._buffers.items():
            context.set_tensor_address(name, buffer.device.address)
        return context


def context_options(library: Library, engine: "trt.ICudaEngine") -> Any:
    """How contexts of an engine are made; all of them with the same, which holds their kernels."""
    module: Any = library.module
    strategy = module.ExecutionContextAllocationStrategy.USER_MANAGED
    if not library.flavour.ahead_of_time:
        return strategy
    # TensorRT-RTX compiles kernels when a context is made; the cache spares all contexts but the
    # first. Left to itself, it compiles others for each new shape and takes them up when they are
    # ready: labels would depend on timing.
    config: Any = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    config.dynamic_shapes_kernel_specialization_strategy = (
        module.DynamicShapesKernelSpecializationStrategy.NONE
    )
    config.set_runtime_cache(config.create_runtime_cache())
    return config


def _row(shape: Any) -> Shape:
    """The shape of what a tensor holds for each place; dynamic dimensions, -1, are the places."""
    return tuple(size for size in tuple(shape) if size >= 0)
