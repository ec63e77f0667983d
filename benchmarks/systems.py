"""Who takes part in a benchmark: nerx on every runtime, the machine's limit, and the peers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ..engine.backends.select import RUNTIMES, gpu_backends, installed_runtimes
from ..engine.bundle import PRECISIONS, Bundle
from ..engine.errors import ConfigError
from .driver import Task

_HERE = "nerx.benchmarks"
_LIMIT_TOKENS = 1000  # rows of the matrix products: a batch on a CPU
_GPU_LIMIT_TOKENS = 32_768


@dataclass(frozen=True, slots=True)
class System:
    """Something to be measured.

    opens: the function that opens its driver, as `module:name`
    searches: whether its best batch size must be found
    """

    name: str
    opens: str
    task: Task
    searches: bool = False

    @property
    def title(self) -> str:
        task = self.task
        workers = f"w{task.workers}" if task.workers else ""
        decode = "" if task.decode == "argmax" else task.decode
        return " ".join(filter(None, (self.name, task.backend, task.precision, workers, decode)))


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library, and what it takes to run it."""

    name: str
    package: str  # to be installed; it brings what else is needed
    units: tuple[str, ...]  # what it labels
    half_on_gpu: bool = False  # whether it runs on a GPU where there is one, in fp16
    batches: bool = True  # whether it takes several documents at once

    def missing(self) -> str | None:
        """How to install it, if it is not installed."""
        try:
            version(self.package)
        except PackageNotFoundError:
            return f"pip install {self.package}"
        return None


PEERS = {
    peer.name: peer
    for peer in (
        Peer("transformers", "transformers", ("words", "characters"), half_on_gpu=True),
        Peer("optimum", "optimum-onnx", ("words", "characters")),
        Peer("spacy", "spacy-huggingface-pipelines", ("words",)),
        Peer("ckip", "ckip-transformers", ("characters",)),
        Peer("jieba", "jieba", ("characters",), batches=False),
        Peer("thulac", "thulac", ("characters",), batches=False),
    )
}


def own_systems(
    bundles: Sequence[Bundle], joint: str, backend: str, precision: str, batch_tokens: int
) -> list[System]:
    """nerx on each backend and in each precision that there is, what was asked for first.

    backend: the only one wanted, or "auto" for all
    precision: the one that is compared with fp32, or "auto" for all

    Raises:
        ConfigError: there is none.
    """
    found = []
    for runtime, wanted, device in _runs(backend):
        if precision not in ("auto", wanted) and wanted != "fp32":
            continue
        if runtime in RUNTIMES:
            bundle = next((b for b in bundles if b.find(wanted)), None)
        else:
            bundle = bundles[-1]  # a GPU's backends convert whatever weights there are
        if bundle:
            task = Task(
                model=str(bundle.folder),
                joint=joint,
                backend=runtime,
                precision=wanted,
                device=device,
                batch_tokens=batch_tokens,
            )
            found.append(System("nerx", f"{_HERE}.peers.nerx:open_driver", task))
    if not found:
        held = ", ".join(f"{a.precision} ({a.format})" for b in bundles for a in b.artifacts)
        raise ConfigError(
            f"nothing to measure: wanted {precision} on {backend}; {bundles[0].name} holds"
            f" {held or 'no model'}, installed are {', '.join(installed_runtimes()) or 'none'}"
        )
    return sorted(found, key=lambda system: system.task.precision != precision)  # if one is asked


def _runs(backend: str) -> Iterator[tuple[str, str, str]]:
    """Backend, precision and device of whatever this machine could run."""
    on_gpu = gpu_backends()
    for name in on_gpu:
        if backend in ("auto", name):
            yield from ((name, precision, "cuda") for precision in ("fp16", "fp32"))
    if backend == "torch" and not on_gpu:
        yield "torch", "fp32", "cpu"
    for precision in PRECISIONS:
        for name in installed_runtimes():
            if backend in ("auto", name):
                yield name, precision, "cpu"


def limits(systems: Sequence[System]) -> dict[str, System]:
    """What measures the limit of each kind that the systems compute in."""
    found: dict[str, System] = {}
    for system in systems:
        kind, on_gpu = limit_kind(system.task), system.task.device != "cpu"
        task = Task(
            model=system.task.model,
            joint="",
            precision=system.task.precision if on_gpu else kind,
            device=system.task.device,
            batch_tokens=_GPU_LIMIT_TOKENS if on_gpu else _LIMIT_TOKENS,
        )
        opens = f"{_HERE}.limits.{'torch' if on_gpu else 'openvino'}:open_driver"
        found.setdefault(kind, System("limit", opens, task))
    return found


def limit_kind(task: Task) -> str:
    """Which limit a system is held to; a CPU stores fp16, but computes it in fp32."""
    if task.device != "cpu":
        return f"{task.precision} {task.device}"
    return "int8" if task.precision == "int8" else "fp32"


def peer_systems(
    names: Sequence[str], checkpoint: str, unit: str, joint: str
) -> tuple[list[System], list[str]]:
    """The peers that can take part, and why the others cannot.

    checkpoint: a Hugging Face folder or hub id, or a bundle's folder for its own weights
    """
    found, absent = [], []
    for name in names:
        peer = PEERS[name]
        if unit not in peer.units:
            absent.append(
                f"{name}: does not {'segment' if unit == 'characters' else 'label words'}"
            )
        elif hint := peer.missing():
            absent.append(f"{name}: not installed; run `{hint}`")
        else:
            half = peer.half_on_gpu and "torch" in gpu_backends()
            precision, device = ("fp16", "cuda") if half else ("fp32", "cpu")
            task = Task(model=checkpoint, joint=joint, precision=precision, device=device)
            opens = f"{_HERE}.peers.libraries:open_{name}"
            found.append(System(name, opens, task, searches=peer.batches))
    return found, absent
