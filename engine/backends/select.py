"""Which runtime runs a bundle. No runtime is imported before it is chosen."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..bundle import Artifact, Bundle
from ..errors import BackendError
from .base import Backend
from .cores import versions
from .tensorrt.library import FLAVOURS

RUNTIMES = ("openvino", "onnxruntime")  # the faster first: docs/export.md has the figures
GPU_RUNTIMES = tuple(FLAVOURS)  # run what was built for one GPU, so never taken unasked
BACKENDS = (*RUNTIMES, "torch", *GPU_RUNTIMES)

_TORCH = ("torch", "safetensors")
_NVIDIA = Path("/dev/nvidiactl")  # a driver's; looked for before torch is loaded, which takes long


def installed_runtimes(names: Sequence[str] = RUNTIMES) -> dict[str, str]:
    """name -> version of those of the runtimes that this environment has, in the order given."""
    known = versions(names)  # not of what has another name, such as onnxruntime-gpu
    found = [name for name in names if find_spec(name.replace("-", "_"))]
    return {name: known.get(name, "unknown version") for name in found}


def gpu_backends() -> tuple[str, ...]:
    """The installed backends for this machine's GPU, none without an NVIDIA driver."""
    if not _NVIDIA.exists():
        return ()
    torch = ("torch",) if all(map(find_spec, _TORCH)) else ()
    return (*torch, *installed_runtimes(GPU_RUNTIMES))


def open_backend(
    bundle: Bundle,
    backend: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Backend:
    """Loads a bundle's model into a runtime.

    backend: one of `BACKENDS`; or "auto" for torch where there is a GPU, else the fastest of
        `RUNTIMES` that is installed
    precision: "int8", "fp32" or "fp16", or "auto" for the fastest there is
    device: "cpu", "cuda", "cuda:0", or "auto" for what the backend is made for
    threads: cores of a CPU to compute on, None for all that there are

    Raises:
        BackendError: the runtime is unknown, not installed, or cannot load the model.
        BundleError: the bundle holds no such model, or its file is altered.
    """
    if backend in GPU_RUNTIMES:
        return _open_tensorrt(bundle, backend, precision, device)
    if backend == "torch" or (backend == "auto" and _torch_has_gpu(bundle, precision, device)):
        return _open_torch(bundle, precision, device, threads)
    on_gpu = device.startswith("cuda")
    if device not in ("auto", "cpu") and not (on_gpu and backend in ("auto", "onnxruntime")):
        raise BackendError(f"device {device!r} is not supported by backend {backend}; try cpu")
    if on_gpu:
        backend = "onnxruntime"
    if backend == "auto":
        backend = _fastest()
    elif backend not in RUNTIMES:
        raise BackendError(f"unknown backend {backend!r}; expected auto, {', '.join(BACKENDS)}")
    elif not find_spec(backend):
        raise BackendError(f"backend {backend} is not installed: run `pip install {backend}`")
    artifact = _gpu_artifact(bundle, precision) if on_gpu else bundle.artifact(precision)
    path = bundle.artifact_path(artifact)
    try:
        if backend == "openvino":
            from .cpu.openvino import OpenVinoBackend

            sha256 = artifact.files[artifact.file]
            return OpenVinoBackend(path, artifact.precision, sha256=sha256, threads=threads)
        from .cpu.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(
            path, artifact.precision, device if on_gpu else "cpu", threads=threads
        )
    except ImportError as error:
        raise BackendError(
            f"backend {backend} is installed but does not load ({error}): "
            f"run `pip install --force-reinstall {backend}`"
        ) from error


def _torch_has_gpu(bundle: Bundle, precision: str, device: str) -> bool:
    """Whether torch can run a model on the GPU that the options allow."""
    if device == "cpu" or precision == "int8" or "torch" not in gpu_backends():
        return False
    try:
        from .torch.backend import find_device
        from .torch.weights import ARCHITECTURES, find_weights

        find_device("cuda" if device == "auto" else device)
    except (BackendError, ImportError, OSError):  # a torch that does not load is no reason to stop
        return False
    return bundle.architecture in ARCHITECTURES and find_weights(bundle) is not None


def _open_torch(bundle: Bundle, precision: str, device: str, threads: int | None) -> Backend:
    if not all(map(find_spec, _TORCH)):
        raise BackendError("backend torch is not installed: run `pip install 'nerx-engine[cuda]'`")
    try:
        from .torch.backend import TorchBackend
        from .torch.weights import load_weights
    except (ImportError, OSError) as error:
        raise BackendError(
            f"backend torch is installed but does not load ({error}): "
            "run `pip install --force-reinstall torch`"
        ) from error
    config, weights = load_weights(bundle)
    return TorchBackend(config, weights, precision=precision, device=device, threads=threads)


def _fastest() -> str:
    for name in RUNTIMES:
        if find_spec(name):
            return name
    raise BackendError(f"this environment has no runtime: run `pip install {RUNTIMES[0]}`")


def _open_tensorrt(bundle: Bundle, flavour: str, precision: str, device: str) -> Backend:
    artifact, precision = engine_source(bundle, flavour, precision)
    from .tensorrt.backend import TensorRtBackend

    folder = bundle.folder.resolve()
    return TensorRtBackend(
        artifact.files[artifact.file],
        precision,
        flavour=flavour,
        device=device,
        build=f"nerx export {folder} --runtime {flavour} --precision {precision}",
    )


def engine_source(bundle: Bundle, flavour: str, precision: str = "auto") -> tuple[Artifact, str]:
    """The artifact that an engine is built from, and the precision of the engine.

    A bundle that holds int8 alone gives engines of its weights, dequantized.

    Raises:
        BackendError: there are no engines of that precision.
        BundleError: the bundle holds no artifact that would do.
    """
    if precision == "int8":
        raise BackendError(f"{flavour} engines are fp16 or fp32, not int8")
    for choice in ("fp16", "fp32") if precision == "auto" else (precision,):
        if artifact := bundle.find(choice):
            return artifact, choice
    wanted = "fp16" if precision == "auto" else precision
    return bundle.find("int8") or bundle.artifact(wanted), wanted


def _gpu_artifact(bundle: Bundle, precision: str) -> Artifact:
    """The artifact for a GPU: fp16 before fp32 unless one is asked for."""
    if precision != "auto":
        return bundle.artifact(precision)
    return bundle.find("fp16") or bundle.artifact("fp32")
