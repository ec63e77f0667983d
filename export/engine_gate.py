"""The parity gate of TensorRT engines, for those that a GPU of this machine can run."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nerx.engine.backends.cuda import Gpu
from nerx.engine.backends.engine_cache import StoredEngine, remove_engine, write_record
from nerx.engine.backends.select import open_backend
from nerx.engine.bundle import Bundle
from nerx.engine.errors import BackendError, BundleError
from nerx.export.batches import engine_batches
from nerx.export.reference import Reference
from nerx.export.sample import Sample
from nerx.export.verify import Parity, check_parity


def gate_engine(
    bundle: Bundle, stored: StoredEngine, sample: Sample, say: Callable[[str], None]
) -> Parity | None:
    """Holds an engine to the labels of its bundle on the CPU; None where no GPU here can run it.

    Raises:
        BundleError: the labels differ by too much; the engine is removed then.
        BackendError: the engine fails.
    """
    try:
        gpu = Gpu.find()
    except BackendError as error:
        say(f"the engine's labels have not been compared: {error}")
        return None
    if not stored.key.fits(gpu):
        say(f"the engine's labels have not been compared: it is not for this GPU, sm{gpu.sm}")
        return None
    key = stored.key
    try:
        parity = check_parity(bundle, key.flavour, key.precision, sample, _on_cpu(bundle, sample))
    except BackendError:
        remove_engine(stored)
        raise
    if reason := parity.why_refused():
        remove_engine(stored)
        lines = [f"the {key.flavour} engine was refused: {reason}", *parity.differences]
        raise BundleError("\n  ".join(lines))
    write_record(replace(stored, parity=parity.summary()))
    return parity


def _on_cpu(bundle: Bundle, sample: Sample) -> Reference:
    """Labels of a sample by the bundle's fp32 graph, else by its fp16 one."""
    precision = "fp32" if bundle.find("onnxruntime", "fp32") else "fp16"
    backend = open_backend(bundle, "onnxruntime", precision, "cpu")
    words = sum(map(len, sample.words))
    label_ids, margins = np.zeros(words, np.int32), np.zeros(words, np.float32)
    for batch, places in engine_batches(bundle, sample, backend.batch_tokens):
        labels = backend.run(batch)
        ordered = np.sort(labels.logits(np.arange(len(places))), axis=1)
        label_ids[places] = labels.label_ids
        margins[places] = ordered[:, -1] - ordered[:, -2]
    return Reference(label_ids, margins)
