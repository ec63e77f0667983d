"""The parity gate: an artifact is kept only if its labels are those of fp32 PyTorch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.arrays import begins_of
from ..engine.backends.base import Backend
from ..engine.backends.select import open_backend
from ..engine.bundle import Bundle
from ..engine.errors import BundleError
from ..engine.labels.schemes import Scheme
from ..engine.labels.scoring import score
from ..engine.types import Floats, Ints
from .batches import engine_batches
from .reference import Reference
from .sample import Sample

MIN_AGREEMENT = {"fp32": 1.0, "fp16": 0.999, "int8": 0.995}
MAX_F1_LOSS = 0.003  # int8 on gold data
TIE = 1e-3  # below this margin of logits, PyTorch itself changes labels with the batch size

_SINGLE_DOCUMENTS = 100  # also run one a batch
_LARGEST = 4  # times the usual batch
_SHOWN = 10  # disagreements
_CONTEXT = 4  # words on either side of one


class ParityError(BundleError):
    """An artifact was refused; the message says why, and shows words it got wrong."""

    def __init__(self, precision: str, parity: "Parity", reason: str) -> None:
        self.precision = precision
        text = f"the {precision} model was refused on {parity.runtime}: {reason}"
        super().__init__("\n  ".join([text, *parity.differences]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What the gate measured for one artifact on one runtime.

    agreement: share of words with PyTorch's label, near ties not counted
    f1_reference, f1: against gold tags, by arg max; None without them
    differences: the first disagreements, in context
    """

    runtime: str
    precision: str
    words: int
    agreement: float
    f1_reference: float | None
    f1: float | None
    finite: bool
    same_alone: float  # share of words with the same label when a batch holds one document only
    differences: tuple[str, ...] = ()

    @property
    def f1_loss(self) -> float | None:
        if self.f1 is None or self.f1_reference is None:
            return None
        return self.f1_reference - self.f1

    def why_refused(self) -> str | None:
        """Why the artifact must not be used; None if it may."""
        if not self.finite:
            return "some scores are not numbers (NaN or infinite)"
        floor = MIN_AGREEMENT[self.precision]
        if self.same_alone < floor:
            return f"only {self.same_alone:.2%} of labels stay when documents run one at a time"
        if self.precision == "int8" and self.f1_loss is not None:
            if self.f1_loss > MAX_F1_LOSS:
                return (
                    f"F1 falls from {self.f1_reference:.4f} to {self.f1:.4f}, "
                    f"more than {MAX_F1_LOSS:.3f}"
                )
            return None
        if self.agreement < floor:
            return f"{self.agreement:.3%} of words agree with PyTorch, expected {floor:.1%}"
        return None

    def summary(self) -> dict[str, Any]:
        """The figures, as the manifest keeps them: rounded, and none of the text."""
        names = ("words", "agreement", "f1_reference", "f1", "f1_loss", "same_alone")
        values = {name: getattr(self, name) for name in names}
        return {name: round(value, 5) for name, value in values.items() if value is not None}


def check_parity(
    bundle: Bundle, runtime: str, precision: str, sample: Sample, reference: Reference
) -> Parity:
    """Runs an artifact through the engine, as `nerx tag` would, and compares its labels.

    Raises:
        BackendError, BundleError: the artifact cannot be loaded or run.
    """
    backend = open_backend(bundle, runtime, precision)
    label_ids, scores = _labels(backend, bundle, sample, backend.batch_tokens)
    few = sample.head(_SINGLE_DOCUMENTS)
    alone, alone_scores = _labels(backend, bundle, few, 1)
    together, _ = _labels(backend, bundle, few, _LARGEST * backend.batch_tokens)
    known = reference.label_ids >= 0
    clear = known & (reference.margins > TIE)
    if not clear.any():
        raise BundleError(f"{sample.file} holds no document that can be compared with PyTorch")
    wrong = clear & (label_ids != reference.label_ids)
    f1_reference = f1 = None
    if sample.tags is not None:
        expected = np.where(known, reference.label_ids, label_ids)
        f1_reference, f1 = (_f1(found, bundle, sample) for found in (expected, label_ids))
    return Parity(
        runtime=runtime,
        precision=precision,
        words=int(clear.sum()),
        agreement=1.0 - float(wrong.sum() / clear.sum()),
        f1_reference=f1_reference,
        f1=f1,
        finite=bool(np.isfinite(scores).all() and np.isfinite(alone_scores).all()),
        same_alone=float(np.mean(alone == together)),
        differences=_differences(bundle, sample, reference, label_ids, np.flatnonzero(wrong)),
    )


def _labels(backend: Backend, bundle: Bundle, sample: Sample, tokens: int) -> tuple[Ints, Floats]:
    """Arg max label and score of every word, in batches of so many padded subwords."""
    label_ids = np.zeros(sample.word_count, np.int32)
    scores = np.zeros(sample.word_count, np.float32)
    for batch, places in engine_batches(bundle, sample, tokens):
        labels = backend.run(batch)
        label_ids[places], scores[places] = labels.label_ids, labels.scores
    return label_ids, scores


def _f1(label_ids: Ints, bundle: Bundle, sample: Sample) -> float:
    scheme = Scheme.from_labels(bundle.labels, bundle.scheme)
    doc_words = begins_of(sample.words)
    return score(sample.gold(bundle.labels), label_ids, doc_words, scheme).f1


def _differences(
    bundle: Bundle, sample: Sample, reference: Reference, label_ids: Ints, wrong: NDArray[np.int64]
) -> tuple[str, ...]:
    """The first words that got another label, marked within their neighbours."""
    begin = begins_of(sample.words)
    shown = []
    for word in wrong[:_SHOWN].tolist():
        row = int(np.searchsorted(begin, word, side="right")) - 1
        words, at = sample.words[row], word - int(begin[row])
        before, after = words[max(0, at - _CONTEXT) : at], words[at + 1 : at + 1 + _CONTEXT]
        right, found = bundle.labels[reference.label_ids[word]], bundle.labels[label_ids[word]]
        marked = " ".join([*before, f"[{words[at]}]", *after])
        shown.append(f"{marked}: {right} became {found}")
    return tuple(shown)
