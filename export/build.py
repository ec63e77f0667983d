"""From a checkpoint to a bundle: export, quantize, gate, manifest; all of it or nothing."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from ..engine.backends.cores import versions
from ..engine.backends.select import installed_runtimes
from ..engine.bundle import UNITS, Artifact, Bundle, file_hashes
from ..engine.errors import BundleError, ConfigError, InputError
from ..engine.labels.schemes import Scheme
from .batches import feeds
from .checkpoint import Checkpoint, load_checkpoint
from .onnx import to_onnx
from .precision import to_fp16
from .quantize import quantize
from .reference import Reference, reference_labels
from .sample import Sample, builtin_sample, read_sample
from .sensitivity import most_sensitive, put_back
from .torch_checkpoint import write_checkpoint
from .verify import Parity, ParityError, check_parity

PRECISIONS = ("fp32", "fp16", "int8")

_TOOLS = ("nerx-engine", "torch", "transformers", "optimum-onnx", "onnx", "nncf")
_CALIBRATION_DOCUMENTS = 300
_CALIBRATION_TOKENS = 1000  # a batch
_MIN_CALIBRATION_SUBWORDS = 2000
_PROBE_TOKENS = 250  # a batch, where all values of the graph are looked at
_PROBES = 4  # batches
_PUT_BACK = (2, 4, 8, 16)  # matrix products in fp32, tried in turn if int8 is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What to make of a checkpoint.

    precisions: the artifacts, each of `PRECISIONS`
    verify: file for the parity gate; gold data gives F1; None for text that comes with nerx
    calibration: file of real text for int8 ranges; None likewise
    name: of the bundle; None for the checkpoint's
    unit: "words" or "characters"; None for characters where the labels segment words
    max_length: subwords of a window; None for as many as the model takes, up to 512
    title_case: whether the bundle is to read texts in capitals alone in title case
    scheme: name of the label scheme; None to find it from the labels
    revision: branch, tag or commit of a model on the hub; None for its main branch
    source: model, revision, licence, for the manifest
    card: free facts for people
    """

    precisions: tuple[str, ...] = ("fp32", "int8")
    verify: str | None = None
    calibration: str | None = None
    name: str | None = None
    unit: str | None = None
    max_length: int | None = None
    title_case: bool = False
    scheme: str | None = None
    revision: str | None = None
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


def export_bundle(
    source: str, target: Path, config: ExportConfig, say: Callable[[str], None]
) -> tuple[Bundle, list[Parity]]:
    """Exports a checkpoint, and keeps the bundle only if every artifact passes the gate.

    source: folder or hub id of a token classifier
    target: folder to be made; it must not exist
    say: is told what is being done

    Raises:
        BundleError: the checkpoint cannot be exported.
        ParityError: an artifact was refused.
        InputError, ConfigError: a file or an option cannot be used.
    """
    checkpoint = load_checkpoint(source, config.revision)
    if config.max_length:
        shorter = min(config.max_length, checkpoint.max_length)
        checkpoint = replace(checkpoint, max_length=shorter)
    with _whole_or_nothing(target) as folder:
        bundle = _bare_bundle(folder, checkpoint, config)
        if bundle.scheme == "plain":
            say(f"labels {', '.join(bundle.labels[:5])} follow no known scheme: plain tags")
        calibration, sample = _texts(checkpoint, bundle, config)
        sample.gold(bundle.labels)  # before the slow part: are its tags known?
        say("exporting to ONNX")
        graph = to_onnx(checkpoint)
        say(f"labelling {sample.word_count} words with PyTorch")
        reference = reference_labels(checkpoint, sample)
        del checkpoint  # its weights are in the graph now; quantizing needs the memory
        reports = []
        for precision in config.precisions:
            say(f"making {precision}")
            for model, notes in _candidates(bundle, graph, precision, calibration):
                say(f"checking {precision}{': ' if notes else ''}{', '.join(notes)}")
                trial = add_graph(bundle, model, precision)
                found = _compare(trial, sample, reference)
                if not any(parity.why_refused() for parity in found):
                    break
            bundle = _accept(trial, found, notes)
            reports += found
        bundle.write_manifest()
    return replace(bundle, folder=target), reports


def export_again(
    bundle: Bundle, target: Path, config: ExportConfig, say: Callable[[str], None]
) -> tuple[Bundle, list[Parity]]:
    """Makes other artifacts of the weights that a bundle holds, as `export_bundle` does.

    What `config` leaves open is taken from the bundle. Weights held in int8 alone are dequantized.

    Raises:
        BackendError, BundleError: they cannot be read.
    """
    filled = replace(
        config,
        name=config.name or bundle.name,
        unit=config.unit or bundle.unit,
        max_length=config.max_length or bundle.max_length,
        title_case=config.title_case or bundle.title_case,
        scheme=config.scheme or bundle.scheme,
        source=bundle.source | config.source,
        card=bundle.card | config.card,
    )
    with tempfile.TemporaryDirectory(prefix="nerx-export-") as folder:
        write_checkpoint(bundle, Path(folder))
        return export_bundle(folder, target, filled, say)


def _bare_bundle(folder: Path, checkpoint: Checkpoint, config: ExportConfig) -> Bundle:
    checkpoint.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
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
        title_case=config.title_case,
        pad_id=checkpoint.pad_id,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(),
        source={"model": checkpoint.source, "revision": checkpoint.revision} | config.source,
        tools=versions(tools),
        card=config.card,
    )


def _texts(checkpoint: Checkpoint, bundle: Bundle, config: ExportConfig) -> tuple[Sample, Sample]:
    """The text for calibration and that for the gate."""
    builtin = builtin_sample(checkpoint.tokenizer.backend_tokenizer, bundle.unit).halves()
    given = (config.calibration, config.verify)
    calibration, verify = (
        own if path is None else read_sample(path, bundle.unit)
        for path, own in zip(given, builtin, strict=True)
    )
    return calibration, verify


def _candidates(
    bundle: Bundle, graph: ModelProto, precision: str, text: Sample
) -> Iterator[tuple[ModelProto, list[str]]]:
    """Forms of a precision, the fastest first, and the products that run in fp32 in each.

    text: real text, for the ranges of values
    """
    few = text.head(_CALIBRATION_DOCUMENTS)
    if precision == "fp32":
        yield graph, []
    elif precision == "fp16":
        yield to_fp16(graph, feeds(bundle, few, _PROBE_TOKENS)[:_PROBES]), []
    else:
        calibration = feeds(bundle, few, _CALIBRATION_TOKENS)
        subwords = sum(int(feed["attention_mask"].sum()) for feed in calibration)
        if subwords < _MIN_CALIBRATION_SUBWORDS:
            raise InputError(
                f"{text.file} is too short; calibration needs {_MIN_CALIBRATION_SUBWORDS} "
                "subwords at least, from text like that to be labelled"
            )
        int8 = quantize(graph, calibration)
        yield int8, []
        probes = feeds(bundle, few, _PROBE_TOKENS)[:_PROBES]
        ranking = most_sensitive(graph, int8, probes)
        for count in _PUT_BACK:
            yield put_back(int8, ranking[:count]), ranking[:count]


def add_graph(bundle: Bundle, model: ModelProto, precision: str) -> Bundle:
    """The bundle with another artifact, whose file is written; not so the manifest."""
    name = f"model.{precision}.onnx"
    onnx.save(model, bundle.folder / name)
    files = file_hashes(bundle.folder, [name])
    artifact = Artifact(format="onnx", precision=precision, files=files)
    return replace(bundle, artifacts=(*bundle.artifacts, artifact))


def _compare(bundle: Bundle, sample: Sample, reference: Reference) -> list[Parity]:
    """Holds the newest artifact to PyTorch on every CPU runtime that can load it."""
    artifact = bundle.artifacts[-1]
    return [
        check_parity(bundle, runtime, artifact.precision, sample, reference)
        for runtime in installed_runtimes()
    ]


def _accept(bundle: Bundle, parities: list[Parity], notes: list[str]) -> Bundle:
    """The bundle with what the gate measured for its newest artifact; or the gate's refusal."""
    *others, artifact = bundle.artifacts
    for parity in parities:
        if reason := parity.why_refused():
            raise ParityError(artifact.precision, parity, reason)
    measured: dict[str, Any] = {parity.runtime: parity.summary() for parity in parities}
    if notes:
        measured["kept_in_fp32"] = notes
    return replace(bundle, artifacts=(*others, replace(artifact, parity=measured)))


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
