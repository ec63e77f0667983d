"""Which runtime runs a bundle. No runtime is imported before it is chosen."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from nerx.engine.backends.base import Backend
from nerx.engine.bundle import Bundle
from nerx.engine.errors import BackendError

RUNTIMES = ("openvino", "onnxruntime")  # the faster first: docs/export.md has the figures


def installed_runtimes() -> dict[str, str]:
    """name -> version of the runtimes that this environment has, the preferred one first."""
    found = {}
    for name in RUNTIMES:
        if find_spec(name):
            try:
                found[name] = version(name)
            except PackageNotFoundError:  # under another name, such as onnxruntime-gpu
                found[name] = "unknown version"
    return found


def open_backend(
    bundle: Bundle, backend: str = "auto", precision: str = "auto", device: str = "auto"
) -> Backend:
    """Loads a bundle's model into a runtime.

    backend: one of `RUNTIMES`, or "auto" for the fastest that is installed and has an artifact
    precision: "int8", "fp32" or "fp16", or "auto" for the fastest there is
    device: "cpu" or "auto"

    Raises:
        BackendError: the runtime is unknown, not installed, or cannot load the model.
        BundleError: the bundle holds no such model, or its file is altered.
    """
    if device not in ("auto", "cpu"):
        raise BackendError(f"device {device!r} is not supported; expected cpu or auto")
    if backend == "auto":
        backend = _fastest(bundle, precision)
    elif backend not in RUNTIMES:
        raise BackendError(f"unknown backend {backend!r}; expected auto, {', '.join(RUNTIMES)}")
    elif not find_spec(backend):
        raise BackendError(f"backend {backend} is not installed: run `pip install {backend}`")
    artifact = bundle.artifact(backend, precision)
    path = bundle.artifact_path(artifact)
    try:
        if backend == "openvino":
            from nerx.engine.backends.openvino import OpenVinoBackend

            return OpenVinoBackend(path, artifact.precision, sha256=artifact.files[artifact.file])
        from nerx.engine.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(path, artifact.precision)
    except ImportError as error:
        raise BackendError(
            f"backend {backend} is installed but does not load ({error}): "
            f"run `pip install --force-reinstall {backend}`"
        ) from error


def _fastest(bundle: Bundle, precision: str) -> str:
    able = [name for name in RUNTIMES if bundle.find(name, precision)]
    for name in able:
        if find_spec(name):
            return name
    if not able:
        bundle.artifact(RUNTIMES[0], precision)  # raises, and says what the bundle holds
    raise BackendError(
        f"{bundle.name} runs on {' or '.join(able)}, which this environment lacks: "
        f"run `pip install {able[0]}`"
    )
