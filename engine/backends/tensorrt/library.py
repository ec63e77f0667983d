"""The two flavours of TensorRT, one API: which module each is, and which versions are known."""

from collections import deque
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ...errors import BackendError

_KEPT_MESSAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One flavour.

    name: as `--backend` and `--runtime` name it; also the extra that installs it
    majors: major versions that this code was written for
    ahead_of_time: builds for GPUs that the machine lacks, and compiles the kernels where they run
    """

    name: str
    module: str
    majors: tuple[int, ...]
    ahead_of_time: bool


FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour(name="tensorrt", module="tensorrt", majors=(10, 11), ahead_of_time=False),
        Flavour(name="tensorrt-rtx", module="tensorrt_rtx", majors=(1,), ahead_of_time=True),
    )
}


@dataclass(frozen=True, slots=True)
class Library:
    """A flavour that is loaded."""

    flavour: Flavour
    version: str
    module: Any
    log: Any  # an ILogger that keeps its last errors

    def said(self) -> str:
        """TensorRT's own words about its last failures; they are forgotten then."""
        messages: deque[str] = self.log.errors
        text = "; ".join(messages) or "it gave no reason"
        messages.clear()
        return text


def load_library(name: str) -> Library:
    """Loads a flavour.

    Raises:
        BackendError: it is unknown, not installed, does not load, or is of another version.
    """
    flavour = FLAVOURS.get(name)
    if flavour is None:
        raise BackendError(f"unknown flavour {name!r} of TensorRT; expected {', '.join(FLAVOURS)}")
    install = f"run `pip install 'nerx-engine[{name}]'`"
    if find_spec(flavour.module) is None:
        raise BackendError(f"{name} is not installed: {install}")
    try:
        module = import_module(flavour.module)
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        raise BackendError(
            f"{name} is installed but its libraries do not load ({error}): {install}"
        ) from error
    version = str(getattr(module, "__version__", "unknown"))
    known = [f"{major}." for major in flavour.majors]
    if not version.startswith(tuple(known)):
        raise BackendError(
            f"{name} {version} is installed; nerx knows {' and '.join(f'{k}x' for k in known)}: "
            f"{install}"
        )
    return Library(flavour, version, module, _open_log(module))


def _open_log(module: Any) -> Any:
    """A log that keeps errors for our own messages, and prints nothing."""

    class Log(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)  # the bindings ask for it in so many words
            self.errors: deque[str] = deque(maxlen=_KEPT_MESSAGES)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (module.ILogger.ERROR, module.ILogger.INTERNAL_ERROR):
                self.errors.append(" ".join(msg.split()))

    return Log()
