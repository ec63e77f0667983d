"""The parity gate of TensorRT engines, on a machine whose GPU can run them."""

from dataclasses import replace

import numpy as np

from ..engine.backends.select import open_backend
from ..engine.backends.tensorrt.engine_cache import StoredEngine, remove_engine, write_record
from ..engine.bundle import Bundle
from ..engine.errors import BackendError
from .batches import engine_batches
from .reference import Reference, margins_of
from .sample import Sample
from .tensorrt import engine_sample
from .verify import Parity, ParityError, check_parity

_PRECISE = ("fp32", "fp16", "int8")


def gate_engine(bundle: Bundle, stored: StoredEngine, text: str | None) -> Parity:
    """Holds an engine to the labels of its bundle on the CPU, and notes what it measured.

    The bundle's most precise artifact is the measure; where that is int8, so is its floor.

    text: file to compare labels on; None for the text that comes with nerx

    Raises:
        ParityError: the labels differ by too much; the engine is removed then.
        BackendError: the engine fails.
    """
    sample = engine_sample(bundle, text)
    key = stored.key
    held = next(item for item in _PRECISE if bundle.find(item))
    try:
        expected = _on_cpu(bundle, held, sample)
        parity = check_parity(bundle, key.flavour, key.precision, sample, expected)
    except BackendError:
        remove_engine(stored)
        raise
    if held == "int8":  # whose own rounding makes most of the difference
        parity = replace(parity, precision=held)
    if reason := parity.why_refused():
        remove_engine(stored)
        raise ParityError(key.precision, parity, reason)
    write_record(replace(stored, parity=parity.summary()))
    return parity


def _on_cpu(bundle: Bundle, precision: str, sample: Sample) -> Reference:
    """Labels of a sample by one of the bundle's own artifacts."""
    backend = open_backend(bundle, "auto", precision, "cpu")
    label_ids = np.zeros(sample.word_count, np.int32)
    margins = np.zeros(sample.word_count, np.float32)
    for batch, places in engine_batches(bundle, sample, backend.batch_tokens):
        labels = backend.run(batch)
        label_ids[places] = labels.label_ids
        margins[places] = margins_of(labels.logits(np.arange(len(places))))
    return Reference(label_ids, margins)
