"""From a checkpoint to a bundle: export, quantize, gate, manifest; all of it or nothing."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from nerx.engine.backends.select import installed_runtimes
from nerx.engine.bundle import FORMATS, UNITS, Artifact, Bundle, file_hashes
from nerx.engine.errors import BundleError, ConfigError, InputError
from nerx.engine.schemes import Scheme
from nerx.export.batches import engine_batches
from nerx.export.checkpoint import Checkpoint, load_checkpoint
from nerx.export.onnx import to_onnx
from nerx.export.quantize import Feed, quantize
from nerx.export.reference import Reference, reference_labels
from nerx.export.sample import Sample, read_sample
from nerx.export.verify import Parity, check_parity

PRECISIONS = ("fp32", "int8")

_TOOLS = ("nerx-engine", "torch", "transformers", "optimum-onnx", "onnx", "nncf")
_CALIBRATION_DOCUMENTS = 300
_CALIBRATION_TOKENS = 1000  # a batch
_MIN_CALIBRATION_SUBWORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What to make of a checkpoint.

    precisions: the artifacts, each of `PRECISIONS`
    verify: file for the parity gate; gold data gives F1
    calibration: file of real text for int8 ranges
    name: of the bundle; None for the checkpoint's
    unit: "words" or "characters"; None for characters where the labels segment words
    scheme: name of the label scheme; None to find it from the labels
    source: model, revision, licence, for the manifest
    card: free facts for people
    """

    precisions: tuple[str, ...] = PRECISIONS
    verify: str
    calibration: str | None = None
    name: str | None = None
    unit: str | None = None
    scheme: str | None = None
    source: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.precisions or set(self.precisions) - set(PRECISIONS):
            raise ConfigError(
                f"precisions are {', '.join(self.precisions) or 'empty'}; "
                f"expected some of {', '.join(PRECISIONS)}"
            )
        if self.unit not in (None, *UNITS):
            raise ConfigError(f"unit is {self.unit!r}; expected one of {', '.join(UNITS)}")
        if "int8" in self.precisions and self.calibration is None:
            raise ConfigError("int8 needs real text to find its ranges: give --calibration FILE")


def export_bundle(
    source: str, target: Path, config: ExportConfig, say: Callable[[str], None]
) -> tuple[Bundle, list[Parity]]:
    """Exports a checkpoint, and keeps the bundle only if every artifact passes the gate.

    source: folder or hub id of a token classifier
    target: folder to be made; it must not exist
    say: is told what is being done

    Raises:
        BundleError: the checkpoint cannot be exported, or an artifact was refused.
        InputError, ConfigError: a file or an option cannot be used.
    """
    checkpoint = load_checkpoint(source)
    with _whole_or_nothing(target) as folder:
        bundle = _bare_bundle(folder, checkpoint, config)
        sample = read_sample(config.verify, bundle.unit)
        sample.gold(bundle.labels)
        say("exporting to ONNX")
        graph = to_onnx(checkpoint)
        say(f"labelling {sum(map(len, sample.words))} words with PyTorch")
        reference = reference_labels(checkpoint, sample)
        reports = []
        for precision in config.precisions:
            if precision == "int8":
                say("quantizing")
            model = graph if precision == "fp32" else _int8(graph, bundle, config)
            bundle = _add(bundle, model, precision)
            say(f"checking {precision}")
            bundle, parities = _gate(bundle, precision, sample, reference)
            reports += parities
        bundle.write_manifest()
    return replace(bundle, folder=target), reports


def _bare_bundle(folder: Path, checkpoint: Checkpoint, config: ExportConfig) -> Bundle:
    checkpoint.tokenizer.save(str(folder / "tokenizer.json"))
    scheme = Scheme.from_labels(checkpoint.labels, config.scheme)
    tools = (*_TOOLS, *installed_runtimes())
    return Bundle(
        folder=folder,
        name=config.name or checkpoint.name,
        architecture=checkpoint.model.config.model_type,
        labels=checkpoint.labels,
        scheme=scheme.name,
        unit=config.unit or ("characters" if scheme.segmentation else "words"),
        max_length=checkpoint.max_length,
        pad_id=checkpoint.pad_id,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(),
        source={"model": checkpoint.source, "revision": checkpoint.revision} | config.source,
        tools={name: version(name) for name in tools},
        card=config.card,
    )


def _add(bundle: Bundle, model: ModelProto, precision: str) -> Bundle:
    name = f"model.{precision}.onnx"
    onnx.save(model, bundle.folder / name)
    files = file_hashes(bundle.folder, [name])
    artifact = Artifact(format="onnx", precision=precision, files=files)
    return replace(bundle, artifacts=(*bundle.artifacts, artifact))


def _gate(
    bundle: Bundle, precision: str, sample: Sample, reference: Reference
) -> tuple[Bundle, list[Parity]]:
    """Holds the newest artifact to PyTorch on every runtime that can load it."""
    *others, artifact = bundle.artifacts
    runtimes = [name for name in installed_runtimes() if artifact.format in FORMATS[name]]
    parities = [check_parity(bundle, name, precision, sample, reference) for name in runtimes]
    for parity in parities:
        if reason := parity.why_refused():
            raise BundleError(
                "\n  ".join(
                    [
                        f"the {precision} model was refused on {parity.runtime}: {reason}",
                        *parity.differences,
                    ]
                )
            )
    accepted = replace(artifact, parity={parity.runtime: parity.summary() for parity in parities})
    return replace(bundle, artifacts=(*others, accepted)), parities


def _int8(graph: ModelProto, bundle: Bundle, config: ExportConfig) -> ModelProto:
    assert config.calibration is not None
    return quantize(graph, _feeds(bundle, read_sample(config.calibration, bundle.unit)))


def _feeds(bundle: Bundle, sample: Sample) -> list[Feed]:
    """Batches of real text, as the engine makes them."""
    few = sample.head(_CALIBRATION_DOCUMENTS)
    batches = [batch for batch, _ in engine_batches(bundle, few, _CALIBRATION_TOKENS)]
    subwords = sum(int(batch.attention_mask.sum()) for batch in batches)
    if subwords < _MIN_CALIBRATION_SUBWORDS:
        raise InputError(
            f"{sample.file} holds {subwords} subwords; calibration needs at least "
            f"{_MIN_CALIBRATION_SUBWORDS}, from text like that to be labelled"
        )
    return [
        {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "word_index": batch.word_index,
        }
        for batch in batches
    ]


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its name if all goes well, and is removed if not."""
    if target.exists():
        raise ConfigError(f"{target} exists already; remove it, or name another folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise BundleError(f"cannot write beside {target}: {error}") from error
    try:
        yield folder
        folder.chmod(0o755)
        os.rename(folder, target)
    except OSError as error:
        raise BundleError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
