"""Built TensorRT engines, kept where only their owner can write, and trusted by hash alone.

An engine is native code to the library that loads it. So it is never part of a bundle and never
fetched: `nerx export` builds it on this machine, or its owner copies it here from another one.

Beside `NAME.engine` lies `NAME.json`: what the engine was built from and for, and its sha256.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import BackendError
from ...files.cache import private_folder
from .cuda import Gpu
from .profiles import Profile

_FOLDER = "engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKey:
    """What an engine was built from and for; another value of any field is another engine.

    onnx_sha256: of the graph
    flavour, version: of TensorRT
    precision: of the graph
    sms: compute capabilities it was built for
    gpu: name of the one GPU it was tuned on; None if it fits every GPU of `sms`
    batch_tokens: padded subwords a batch that the profiles were made for
    """

    onnx_sha256: str
    flavour: str
    version: str
    precision: str
    sms: tuple[int, ...]
    gpu: str | None = None
    batch_tokens: int
    profiles: tuple[Profile, ...]

    @property
    def name(self) -> str:
        """The file name without its suffix, for people to read; the digest covers every field."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        sms = "+".join(f"sm{sm}" for sm in self.sms)
        start = f"{self.onnx_sha256[:12]}.{self.precision}"
        return f"{start}.{self.flavour}-{self.version}.{sms}.{digest[:12]}"

    def fits(self, gpu: Gpu) -> bool:
        """Whether a GPU can run the engine."""
        return gpu.sm in self.sms and self.gpu in (None, gpu.name)

    def replaces(self, other: "EngineKey") -> bool:
        """Whether nobody needs the other engine once this one is there."""
        same = ("onnx_sha256", "flavour", "precision", "sms", "gpu")
        return all(getattr(self, field) == getattr(other, field) for field in same)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEngine:
    """An engine in the cache; its bytes are read when they are wanted.

    parity: what the gate measured when a GPU ran it; empty where none could
    """

    key: EngineKey
    path: Path
    sha256: str
    parity: dict[str, Any] = field(default_factory=dict)

    def read(self) -> bytes:
        """The engine's bytes, after their hash was compared.

        Raises:
            BackendError: the file is gone, or not the one that was built.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise BackendError(f"cannot read the engine {self.path}: {error}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BackendError(
                f"{self.path} is not the engine that was built: its sha256 differs; "
                "remove it and build it again with `nerx export`"
            )
        return data


def store_engine(key: EngineKey, data: bytes) -> StoredEngine:
    """Puts an engine into the cache, in place of those that it replaces.

    Raises:
        BackendError: the cache cannot be written.
    """
    folder = private_folder(_FOLDER)
    path = folder / f"{key.name}.engine"
    stored = StoredEngine(key=key, path=path, sha256=hashlib.sha256(data).hexdigest())
    _write(path, data)  # before its record: an engine without one is never loaded
    write_record(stored)
    for old in _stored(folder):
        if key.replaces(old.key) and old.path != path:
            remove_engine(old)
    return stored


def write_record(stored: StoredEngine) -> None:
    """Writes what is known of an engine beside it.

    Raises:
        BackendError: the cache cannot be written.
    """
    values = {"key": asdict(stored.key), "sha256": stored.sha256, "parity": stored.parity}
    _write(stored.path.with_suffix(".json"), json.dumps(values, indent=1).encode())


def remove_engine(stored: StoredEngine) -> None:
    """Takes an engine out of the cache.

    Raises:
        BackendError: the cache cannot be written.
    """
    try:
        stored.path.with_suffix(".json").unlink(missing_ok=True)
        stored.path.unlink(missing_ok=True)
    except OSError as error:
        raise BackendError(f"cannot remove the engine {stored.path}: {error}") from error


def stored_engine(key: EngineKey) -> StoredEngine | None:
    """The engine of exactly this key, if there is one."""
    return next((item for item in _stored(private_folder(_FOLDER)) if item.key == key), None)


def find_engine(
    onnx_sha256: str, precision: str, flavour: str, version: str, gpu: Gpu, command: str
) -> StoredEngine:
    """The engine of a graph that this TensorRT and this GPU can run.

    command: what builds it, for the message

    Raises:
        BackendError: there is none; the message says what there is instead, and what to run.
    """
    mine = [
        item
        for item in _stored(private_folder(_FOLDER))
        if (item.key.onnx_sha256, item.key.precision, item.key.flavour)
        == (onnx_sha256, precision, flavour)
    ]
    fitting = [item for item in mine if item.key.version == version and item.key.fits(gpu)]
    if fitting:
        return min(fitting, key=lambda item: (len(item.key.sms), item.path.name))
    raise BackendError(f"{_why_none(mine, flavour, version, gpu)}: run `{command}`")


def _why_none(found: list[StoredEngine], flavour: str, version: str, gpu: Gpu) -> str:
    here = f"this GPU is sm{gpu.sm} ({gpu.name})"
    if not found:
        return f"no {flavour} engine of this model has been built for this machine; {here}"
    key = found[0].key
    if key.fits(gpu):
        return f"the engine was built with {flavour} {key.version}, {version} is installed"
    built_for = " or ".join(f"sm{sm}" for sm in key.sms) + (f" ({key.gpu})" if key.gpu else "")
    return f"the engine was built for {built_for}, {here}"


def _stored(folder: Path) -> list[StoredEngine]:
    """All engines with a record that can be read; any other is as good as not there."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
            key = record["key"]
            key["profiles"] = tuple(Profile(**item) for item in key["profiles"])
            key["sms"] = tuple(key["sms"])
            engine = StoredEngine(
                key=EngineKey(**key),
                path=path.with_suffix(".engine"),
                sha256=record["sha256"],
                parity=record["parity"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if engine.path.is_file() and engine.path.stem == engine.key.name:
            found.append(engine)
    return found


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, even if the machine stops."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            whole = Path(folder, path.name)
            whole.touch(mode=0o600)
            with whole.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            whole.replace(path)
    except OSError as error:
        raise BackendError(f"cannot keep the engine {path}: {error}") from error
