"""The little of CUDA that a backend needs without torch; every failure is said in words."""

import ctypes
import re
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import BackendError


@cache
def cuda_runtime() -> Any:
    """The module `cuda.bindings.runtime`.

    Raises:
        BackendError: it is not installed.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise BackendError(
            f"CUDA's Python bindings do not load ({error}): run `pip install cuda-bindings`"
        ) from error
    return runtime


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Calls CUDA: what it gives beside the status, or None.

    Raises:
        BackendError: the status is not success.
    """
    status, *values = function(*args)
    if int(status) != 0:
        raise BackendError(f"CUDA failed in {function.__name__}: {_words(status)}")
    return values[0] if values else None


def _words(status: Any) -> str:
    _, text = cuda_runtime().cudaGetErrorString(status)
    return text.decode() if isinstance(text, bytes) else str(text)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this machine."""

    index: int
    name: str
    sm: int  # its compute capability without the dot, 89 for 8.9

    @classmethod
    def find(cls, device: str = "auto") -> "Gpu":
        """The GPU that a device option names.

        device: "auto" or "cuda" for the first, "cuda:1" for the second

        Raises:
            BackendError: there is no such GPU, or no driver.
        """
        match = re.fullmatch(r"auto|cuda(?::(\d+))?", device)
        if not match:
            raise BackendError(f"device {device!r} is no GPU; expected auto, cuda, or cuda:0")
        index, runtime = int(match[1] or 0), cuda_runtime()
        status, count = runtime.cudaGetDeviceCount()
        if int(status) != 0 or not count:
            raise BackendError(
                f"no GPU can be used ({_words(status) if int(status) else 'none found'}): "
                "this backend needs an NVIDIA GPU and its driver; `nvidia-smi` shows both"
            )
        if index >= count:
            raise BackendError(f"device {device!r} does not exist: this machine has {count} GPU(s)")
        properties = call(runtime.cudaGetDeviceProperties, index)
        return cls(index, properties.name.decode(), 10 * properties.major + properties.minor)

    def use(self) -> None:
        """Makes it the device of the calling thread."""
        call(cuda_runtime().cudaSetDevice, self.index)


class Stream:
    """A queue of work on the device of the calling thread, which waits for no other queue."""

    def __init__(self) -> None:
        runtime = cuda_runtime()
        flags = runtime.cudaStreamNonBlocking
        self.handle = int(call(runtime.cudaStreamCreateWithFlags, flags))
        weakref.finalize(self, _release, "cudaStreamDestroy", self.handle)

    def wait(self) -> None:
        """Returns when all its work is done."""
        call(cuda_runtime().cudaStreamSynchronize, self.handle)


class Graph:
    """Work on a stream that was recorded once and starts whole, without the cost of each launch."""

    def __init__(self, stream: Stream, enqueue: Callable[[], object]) -> None:
        """Records what `enqueue` puts on the stream; it is not run.

        Raises:
            BackendError: the work cannot be recorded.
        """
        runtime = cuda_runtime()
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(runtime.cudaStreamBeginCapture, stream.handle, mode)
        try:
            enqueue()
        finally:
            recorded = call(runtime.cudaStreamEndCapture, stream.handle)
        self._handle = call(runtime.cudaGraphInstantiate, recorded, 0)
        weakref.finalize(self, _release, "cudaGraphExecDestroy", self._handle)
        _release("cudaGraphDestroy", recorded)

    def launch(self, stream: Stream) -> None:
        """Starts the recorded work."""
        call(cuda_runtime().cudaGraphLaunch, self._handle, stream.handle)


class DeviceMemory:
    """Bytes on the device of the calling thread, given back when the object is dropped."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.address = int(call(cuda_runtime().cudaMalloc, nbytes))
        weakref.finalize(self, _release, "cudaFree", self.address)


class Mirror:
    """An array in page-locked host memory, and room for the same bytes on the device.

    Only page-locked memory can be copied while the GPU computes.
    """

    def __init__(self, dtype: DTypeLike, size: int) -> None:
        """Takes the memory, which is given back when the object is dropped."""
        runtime, kind = cuda_runtime(), np.dtype(dtype)
        nbytes = kind.itemsize * size
        host = int(call(runtime.cudaHostAlloc, nbytes, runtime.cudaHostAllocDefault))
        weakref.finalize(self, _release, "cudaFreeHost", host)
        self.device = DeviceMemory(nbytes)
        memory = (ctypes.c_uint8 * nbytes).from_address(host)
        self.host: NDArray[Any] = np.frombuffer(memoryview(memory), kind)

    def upload(self, values: NDArray[Any], stream: Stream) -> None:
        """Starts to copy values to the begin of the array on the device."""
        self.host[: values.size] = values.reshape(-1)
        kind = cuda_runtime().cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device.address, self.host.ctypes.data, values.size, kind, stream)

    def download(self, size: int, stream: Stream) -> NDArray[Any]:
        """Starts to copy from the device; the view is whole once the stream has been waited for."""
        kind = cuda_runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(self.host.ctypes.data, self.device.address, size, kind, stream)
        return self.host[:size]

    def _copy(self, to: int, source: int, size: int, kind: Any, stream: Stream) -> None:
        nbytes = size * self.host.itemsize
        call(cuda_runtime().cudaMemcpyAsync, to, source, nbytes, kind, stream.handle)


def _release(function: str, handle: Any) -> None:
    with suppress(Exception):  # at exit, the driver may be gone before us
        getattr(cuda_runtime(), function)(handle)
