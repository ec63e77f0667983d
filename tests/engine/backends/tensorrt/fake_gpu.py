# ruff: noqa: N802, N803, N815 (names are those of CUDA)
"""A GPU of plain Python: what the TensorRT backend asks of CUDA and TensorRT, done on the CPU.

Work on a stream is done when somebody waits for it and not before, so that code which reads too
early, or overwrites what has yet to be copied, gives wrong labels. `test_tensorrt.py` holds every
method and argument here to the real bindings.
"""

import ctypes
import threading
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nerx.engine.backends.tensorrt.profiles import Profile

ort = pytest.importorskip("onnxruntime")

Work = list[Callable[[], None]]


class Status(int):
    pass


OK, FAILED = Status(0), Status(2)


class FakeCuda:
    """`cuda.bindings.runtime` with GPUs of some compute capabilities."""

    cudaHostAllocDefault = 0
    cudaStreamNonBlocking = 1
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, *sms: int) -> None:
        self.sms = sms
        self.calls: Counter[str] = Counter()
        self.memory: dict[int, Any] = {}
        self.streams: dict[int, Work] = {}
        self.recording: dict[int, Work] = {}
        self.graphs: dict[int, Work] = {}
        self.thread = threading.local()  # the current device, which each thread has of its own
        self.homes: dict[int, int] = {}  # device of each stream
        self.allocated_on: set[int] = set()

    @property
    def device(self) -> int:
        return getattr(self.thread, "device", 0)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cuda") and name[4].isupper():
            object.__getattribute__(self, "calls")[name] += 1
        return object.__getattribute__(self, name)

    def put(self, stream: int, work: Callable[[], None]) -> None:
        assert self.homes[stream] == self.device, "a stream of another device"
        self.recording.get(stream, self.streams[stream]).append(work)

    def cudaGetErrorString(self, error):
        return OK, b"the driver is too old" if error == 35 else b"out of memory"

    def cudaGetDeviceCount(self):
        return (OK, len(self.sms)) if self.sms else (Status(35), None)

    def cudaGetDeviceProperties(self, device):
        major, minor = divmod(self.sms[device], 10)
        return OK, SimpleNamespace(name=f"GPU {device}".encode(), major=major, minor=minor)

    def cudaSetDevice(self, device):
        self.thread.device = device
        return (OK,)

    def _take(self, size):
        if size > 1 << 33:
            return FAILED, None
        buffer = (ctypes.c_uint8 * max(1, size))()
        self.memory[ctypes.addressof(buffer)] = buffer
        return OK, ctypes.addressof(buffer)

    def cudaMalloc(self, size):
        self.allocated_on.add(self.device)
        return self._take(size)

    def cudaHostAlloc(self, size, flags):
        return self._take(size)

    def cudaFree(self, devPtr):
        del self.memory[devPtr]
        return (OK,)

    def cudaFreeHost(self, ptr):
        del self.memory[ptr]
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags):
        assert flags == self.cudaStreamNonBlocking
        self.streams[len(self.streams) + 1] = []
        self.homes[len(self.streams)] = self.device
        return OK, len(self.streams)

    def cudaStreamDestroy(self, stream):
        return (OK,)

    def cudaMemcpyAsync(self, dst, src, count, kind, stream):
        self.put(stream, lambda: ctypes.memmove(dst, src, count))
        return (OK,)

    def cudaStreamSynchronize(self, stream):
        for work in self.streams[stream]:
            work()
        self.streams[stream].clear()
        return (OK,)

    def cudaStreamBeginCapture(self, stream, mode):
        self.recording[stream] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream):
        number = len(self.graphs) + 1
        self.graphs[number] = self.recording.pop(stream)
        return OK, number

    def cudaGraphInstantiate(self, graph, flags):
        return OK, graph

    def cudaGraphLaunch(self, graphExec, stream):
        self.streams[stream].extend(self.graphs[graphExec])
        return (OK,)

    def cudaGraphDestroy(self, graph):
        return (OK,)

    def cudaGraphExecDestroy(self, graphExec):
        return (OK,)


class ILogger:
    ERROR, INTERNAL_ERROR = "error", "internal error"

    def __init__(self) -> None:
        pass


def fake_tensorrt(cuda: FakeCuda, profiles: tuple[Profile, ...], version: str) -> SimpleNamespace:
    """A module like `tensorrt` or `tensorrt_rtx`; an engine's bytes are its ONNX graph's."""
    counts: Counter[str] = Counter()

    class IRuntimeConfig:
        dynamic_shapes_kernel_specialization_strategy = "LAZY"
        strategy = "STATIC"

        def set_execution_context_allocation_strategy(self, strategy):
            self.strategy = strategy

        def create_runtime_cache(self):
            counts["caches"] += 1
            return object()

        def set_runtime_cache(self, cache):
            self.cache = cache
            return True

    class IExecutionContext:
        def __init__(self, engine: Any) -> None:
            self.engine = engine
            self.shapes: dict[str, tuple[int, ...]] = {}
            self.addresses: dict[str, int] = {}
            self.profile = 0
            self.memory = -1

        def set_device_memory(self, memory, size):
            self.memory = size if memory in cuda.memory else -1

        def set_optimization_profile_async(self, profile_index, stream_handle):
            self.profile, self.shapes = profile_index, {}
            return True

        def set_tensor_address(self, name, memory):
            self.addresses[name] = memory
            return True

        def set_input_shape(self, name, shape):
            smallest, _, largest = profiles[self.profile].shapes()[name]
            self.shapes[name] = shape
            held = zip(smallest, shape, largest, strict=True)
            return all(low <= size <= high for low, size, high in held)

        def is_stream_capturable(self, stream):
            return True

        def execute_async_v3(self, stream_handle):
            session = self.engine.session
            assert self.memory >= self.engine.device_memory_size_v2
            assert set(self.shapes) == {port.name for port in session.get_inputs()}
            counts["enqueued"] += 1
            shapes = self.shapes.copy()
            cuda.put(stream_handle, lambda: self._execute(shapes))
            return True

        def _execute(self, shapes: dict[str, tuple[int, ...]]) -> None:
            assert shapes == self.shapes, "a graph whose context has gone on to other shapes"

            def view(name: str, shape: tuple[int, ...]) -> np.ndarray:
                size = 8 * int(np.prod(shape))
                data = (ctypes.c_uint8 * size).from_address(self.addresses[name])
                return np.frombuffer(memoryview(data), np.int64).reshape(shape)

            feed = {name: view(name, shape) for name, shape in shapes.items()}
            names = [port.name for port in self.engine.session.get_outputs()]
            for name, values in zip(names, self.engine.session.run(names, feed), strict=True):
                values = np.ascontiguousarray(values)
                ctypes.memmove(self.addresses[name], values.ctypes.data, values.nbytes)

    class ICudaEngine:
        device_memory_size_v2 = 4096

        def __init__(self, graph: bytes) -> None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            self.session = ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
            self.ports = {port.name: port for port in self.session.get_outputs()}
            self.ports |= {port.name: port for port in self.session.get_inputs()}
            self.num_io_tensors = len(self.ports)
            self.num_optimization_profiles = len(profiles)

        def get_tensor_name(self, index):
            return list(self.ports)[index]

        def get_tensor_mode(self, name):
            is_input = name in {port.name for port in self.session.get_inputs()}
            return "INPUT" if is_input else "OUTPUT"

        def get_tensor_dtype(self, name):
            return self.ports[name].type

        def get_tensor_shape(self, name):
            return [size if isinstance(size, int) else -1 for size in self.ports[name].shape]

        def get_tensor_profile_shape(self, name, profile_index):
            return list(profiles[profile_index].shapes()[name])

        def create_runtime_config(self):
            return IRuntimeConfig()

        def create_execution_context(self, strategy=None, runtime_config=None):
            config = runtime_config or strategy
            if isinstance(config, IRuntimeConfig):
                assert config.dynamic_shapes_kernel_specialization_strategy == "NONE"
                assert config.cache
                config = config.strategy
            assert config == "USER_MANAGED"
            counts["contexts"] += 1
            return IExecutionContext(self)

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            self.logger = logger

        def get_engine_validity(self, buffer):
            return (2, 3) if buffer.startswith(b"invalid") else (0, 0)

        def deserialize_cuda_engine(self, serialized_engine):
            counts["loaded"] += 1
            try:
                return ICudaEngine(serialized_engine)
            except Exception:
                self.logger.log(ILogger.ERROR, "Magic tag does\nnot match")
                return None

    names = ("USER_MANAGED", "STATIC")
    return SimpleNamespace(
        __version__=version,
        counts=counts,
        ILogger=ILogger,
        Runtime=Runtime,
        ICudaEngine=ICudaEngine,
        IExecutionContext=IExecutionContext,
        IRuntimeConfig=IRuntimeConfig,
        TensorIOMode=SimpleNamespace(INPUT="INPUT"),
        EngineValidity=SimpleNamespace(INVALID=2),
        EngineInvalidityDiagnostics=SimpleNamespace(
            __members__={"VERSION_MISMATCH": 1, "UNSUPPORTED_CC": 2, "CUDA_ERROR": 64}
        ),
        ExecutionContextAllocationStrategy=SimpleNamespace(**dict(zip(names, names, strict=True))),
        DynamicShapesKernelSpecializationStrategy=SimpleNamespace(NONE="NONE"),
        nptype=lambda kind: {"tensor(int64)": np.int64, "tensor(float)": np.float32}[kind],
    )
