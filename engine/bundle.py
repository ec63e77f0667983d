"""The exported model on disk: a folder with a manifest (`nerx.json`), a tokenizer and artifacts.

The manifest holds the hash of every other file; nothing is handed to a runtime before its hash
has been compared.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from .errors import BundleError

MANIFEST = "nerx.json"
SCHEMA = 1
UNITS = ("words", "characters")
PRECISIONS = ("int8", "fp32", "fp16")  # in the order of preference on a CPU

_BUILTINS = Path(__file__).parent / "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One form of the model that a runtime can load.

    format: "onnx", which all runtimes load, or "safetensors", for torch
    precision: one of `PRECISIONS`
    files: name -> sha256, the one to be loaded first
    parity: what the gate measured when it accepted the artifact
    """

    format: str
    precision: str
    files: dict[str, str]
    parity: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The file that a runtime is told to load."""
        return next(iter(self.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model folder, its manifest checked; `Bundle.load` makes one.

    labels: name of each label id
    scheme: name of the label scheme, None to find it from the labels
    unit: what one label belongs to, "words" or "characters"
    max_length: subwords a window may hold, special tokens included
    title_case: whether texts in capitals alone are read in title case, which the model knows better
    tokenizer: file name -> sha256, one entry
    source: model, revision and licence that the bundle was made from
    tools: versions of what made it
    card: free facts for people, such as scores
    """

    folder: Path
    name: str
    architecture: str
    labels: tuple[str, ...]
    scheme: str | None
    unit: str
    max_length: int
    pad_id: int
    tokenizer: dict[str, str]
    artifacts: tuple[Artifact, ...]
    title_case: bool = False
    source: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, model: str | Path) -> Self:
        """Reads a bundle's manifest.

        model: the name of a built-in, or a folder: a `Path`, or text with a / in it

        Raises:
            BundleError: there is no such bundle, or its manifest cannot be used.
        """
        folder = _locate(model)
        manifest = folder / MANIFEST
        if not folder.is_dir():
            raise BundleError(f"{folder} is no folder; expected a model made by `nerx export`")
        if not manifest.is_file():
            raise BundleError(_not_a_bundle(folder))
        try:
            values = json.loads(manifest.read_bytes())
        except (OSError, ValueError) as error:
            raise BundleError(f"{manifest} cannot be read: {error}") from error
        return cls._from_manifest(folder, values)

    @classmethod
    def _from_manifest(cls, folder: Path, values: Any) -> Self:
        if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
            raise BundleError(f"{folder / MANIFEST} is no manifest of a nerx bundle")
        if values["schema"] > SCHEMA:
            raise BundleError(
                f"{folder} is a bundle of schema {values['schema']}; this nerx reads up to "
                f"{SCHEMA}: update it with `pip install -U nerx-engine`"
            )
        values = {key: value for key, value in values.items() if key != "schema"}
        try:
            artifacts = tuple(Artifact(**artifact) for artifact in values.pop("artifacts"))
            labels = tuple(values.pop("labels"))
            bundle = cls(folder=folder, labels=labels, artifacts=artifacts, **values)
            bundle._check()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder / MANIFEST} is incomplete or altered ({error}); export the model again"
            ) from error
        return bundle

    def _check(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit is {self.unit!r}")
        if not self.labels or not all(isinstance(label, str) for label in self.labels):
            raise ValueError("labels are no list of names")
        if self.max_length < 8 or self.pad_id < 0:
            raise ValueError(f"max_length is {self.max_length}, pad_id {self.pad_id}")
        if len(self.tokenizer) != 1:
            raise ValueError("tokenizer names no file")
        for artifact in self.artifacts:
            if artifact.precision not in PRECISIONS or not artifact.files:
                raise ValueError(f"artifact of precision {artifact.precision!r}")

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, which holds the hash of every other file."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of all files that the manifest names."""
        names = {*self.tokenizer, *(name for item in self.artifacts for name in item.files)}
        return sum((self.folder / name).stat().st_size for name in names)

    def tokenizer_path(self) -> Path:
        """The tokenizer file, its hash compared.

        Raises:
            BundleError: it is missing or altered.
        """
        [(name, sha256)] = self.tokenizer.items()
        return self._verified(name, sha256)

    def find(self, precision: str = "auto") -> Artifact | None:
        """The ONNX graph of a precision, if there is one.

        precision: one of `PRECISIONS`, or "auto" for the first of them that there is
        """
        graphs = {item.precision: item for item in self.artifacts if item.format == "onnx"}
        wanted = PRECISIONS if precision == "auto" else (precision,)
        return next((graphs[choice] for choice in wanted if choice in graphs), None)

    def artifact(self, precision: str = "auto") -> Artifact:
        """The ONNX graph of a precision, as `find` does.

        Raises:
            BundleError: the bundle holds none.
        """
        if artifact := self.find(precision):
            return artifact
        held = ", ".join(f"{item.precision} ({item.format})" for item in self.artifacts)
        raise BundleError(
            f"{self.name} holds no {'ONNX graph' if precision == 'auto' else precision + ' graph'},"
            f" only {held or 'nothing'}; `nerx export --precision` makes others"
        )

    def artifact_path(self, artifact: Artifact) -> Path:
        """The file to load, after the hashes of all the artifact's files were compared.

        Raises:
            BundleError: one is missing or altered.
        """
        paths = [self._verified(name, sha256) for name, sha256 in artifact.files.items()]
        return paths[0]

    def _verified(self, name: str, sha256: str) -> Path:
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise BundleError(f"{self.folder / MANIFEST} names {name!r}, outside its own folder")
        if not path.is_file():
            raise BundleError(f"{path} is missing; export or install the model again")
        if file_sha256(path) != sha256:
            raise BundleError(
                f"{path} is not the file that was exported: its sha256 differs from the one in "
                f"{MANIFEST}; export or install the model again"
            )
        return path

    def write_manifest(self) -> None:
        """Writes `nerx.json` into the bundle's folder."""
        values: dict[str, Any] = {"schema": SCHEMA, **asdict(self)}
        del values["folder"]
        text = json.dumps(values, indent=1, ensure_ascii=False)
        (self.folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def builtin_names() -> tuple[str, ...]:
    """Names of the built-in models, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in _BUILTINS.glob(f"*/{MANIFEST}")))


def is_path(model: str) -> bool:
    """Whether a model argument is a path; all others are names."""
    return model in (".", "..") or model.startswith(("./", "../", "~", "/"))


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """name -> sha256 of some files of a folder."""
    return {name: file_sha256(folder / name) for name in names}


def _locate(model: str | Path) -> Path:
    if isinstance(model, Path) or is_path(model):
        return Path(model).expanduser()
    names = builtin_names()
    if model in names:
        return _BUILTINS / model
    if "/" in model and Path(model).is_dir():
        return Path(model)
    known = ", ".join(names) or "none in this installation"
    if "/" in model:
        raise BundleError(
            f"{model!r} is no folder here; of a model on the Hugging Face hub, "
            f"`nerx export {model} -o FOLDER` makes a bundle: give that folder"
        )
    raise BundleError(
        f"unknown model {model!r}; expected a built-in model ({known}), "
        f"a folder such as ./{model}, or a hub id such as org/name"
    )


def _not_a_bundle(folder: Path) -> str:
    if (folder / "config.json").is_file():
        return (
            f"{folder} is a Hugging Face model; make a bundle of it with "
            f"`nerx export {folder} -o FOLDER`, then give that folder"
        )
    return f"{folder} holds no {MANIFEST}; expected a model made by `nerx export`"
