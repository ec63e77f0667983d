"""Who takes part in a benchmark: nerx on every runtime, the machine's limit, and the peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from nerx.engine.backends.select import installed_runtimes
from nerx.engine.bench.driver import Task
from nerx.engine.bundle import PRECISIONS, Bundle
from nerx.engine.errors import ConfigError

_HERE = "nerx.engine.bench"
_LIMIT_TOKENS = 1000  # rows of the matrix products: a batch on a CPU


@dataclass(frozen=True, slots=True)
class System:
    """Something to be measured.

    module: what holds its `open_driver`
    searches: whether its best batch size must be found
    """

    name: str
    module: str
    task: Task
    searches: bool = False

    @property
    def title(self) -> str:
        return " ".join(
            part for part in (self.name, self.task.backend, self.task.precision) if part
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library, and what it takes to run it."""

    name: str
    package: str  # to be installed; it brings what else is needed
    units: tuple[str, ...]  # what it labels

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
        Peer("transformers", "transformers", ("words", "characters")),
        Peer("optimum", "optimum-onnx", ("words", "characters")),
        Peer("spacy", "spacy-huggingface-pipelines", ("words",)),
        Peer("ckip", "ckip-transformers", ("characters",)),
    )
}


def own_systems(
    bundles: Sequence[Bundle], joint: str, backend: str, precision: str, batch_tokens: int
) -> list[System]:
    """nerx on each runtime and in each precision that there is, the fastest first.

    backend, precision: the only one wanted, or "auto" for all

    Raises:
        ConfigError: there is none.
    """
    found = []
    for wanted in PRECISIONS if precision == "auto" else (precision,):
        for runtime in installed_runtimes():
            if backend not in ("auto", runtime):
                continue
            bundle = next((b for b in bundles if b.find(runtime, wanted)), None)
            if bundle:
                task = Task(
                    model=str(bundle.folder),
                    joint=joint,
                    backend=runtime,
                    precision=wanted,
                    batch_tokens=batch_tokens,
                )
                found.append(System("nerx", f"{_HERE}.tagging", task))
    if not found:
        held = ", ".join(f"{a.precision} ({a.format})" for b in bundles for a in b.artifacts)
        raise ConfigError(
            f"nothing to measure: wanted {precision} on {backend}; {bundles[0].name} holds"
            f" {held or 'no model'}, installed are {', '.join(installed_runtimes()) or 'none'}"
        )
    return found


def limits(systems: Sequence[System]) -> dict[str, System]:
    """What measures the limit of each precision that the systems compute in."""
    found: dict[str, System] = {}
    for system in systems:
        kind = limit_precision(system.task.precision)
        task = Task(model=system.task.model, joint="", precision=kind, batch_tokens=_LIMIT_TOKENS)
        found.setdefault(kind, System("limit", f"{_HERE}.limit", task))
    return found


def limit_precision(precision: str) -> str:
    """What the CPU computes a model of that precision in: fp16 is one of storage only."""
    return "int8" if precision == "int8" else "fp32"


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
            task = Task(model=checkpoint, joint=joint)
            found.append(System(name, f"{_HERE}.peers.{name}", task, searches=True))
    return found, absent
