"""torch: the packed encoder of `nerx.kernels` on an NVIDIA GPU, in plain torch on a CPU.

On a GPU two threads take batches in turn, each on a CUDA stream of its own: while one computes,
the other packs, copies and launches.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....kernels.architectures import Config, make_encoder
from ....kernels.word_labels import MAX_LABELS
from ...arrays import begins_of
from ...errors import BackendError
from ...types import Batch, BatchLabels, Floats
from ..cores import usable_cores
from .lanes import Computed, Lanes, compute
from .packing import PackedBatch, halves, pack

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}

_CPU_TOKENS = 1000
_GPU_TOKENS = 32768
_LEAST_CAPABILITY = (8, 0)  # of FlashAttention


class TorchBackend:
    """A model on one device; on a GPU fp16 if not asked otherwise, on a CPU fp32."""

    name = "torch"
    pools = True
    packs = True

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Tensor],
        *,
        precision: str = "auto",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """Puts the weights on the device and runs a small batch, which compiles the kernels.

        weights: by their Hugging Face names
        precision: "fp16", "fp32" or "auto"
        device: "cpu", "cuda", "cuda:1", or "auto" for the first GPU if there is one
        threads: cores of a CPU that torch computes on from now on, None for all

        Raises:
            BackendError: the device or the precision cannot be had, or the weights do not fit.
        """
        place = find_device(device)
        on_gpu = place.type == "cuda"
        self.device = str(place)
        self.precision = _find_precision(precision, on_gpu)
        self.streams = 2 if on_gpu else 1  # on a CPU, torch's own threads share a batch
        if not on_gpu:
            torch.set_num_threads(min(threads or usable_cores(), torch.get_num_threads()))
        self.batch_tokens = _GPU_TOKENS if on_gpu else _CPU_TOKENS
        try:
            self._encoder = make_encoder(
                config, weights, dtype=DTYPES[self.precision], device=place
            )
        except (ValueError, RuntimeError) as error:  # the latter of CUDA
            raise BackendError(f"torch cannot load the model on {place}: {error}") from error
        labels = len(self._encoder.classifier[0])
        if labels > MAX_LABELS:
            raise BackendError(f"the model has {labels} labels; backend torch takes {MAX_LABELS}")
        self._labels = labels
        self._compute = Lanes(self._encoder) if on_gpu else partial(compute, self._encoder)
        two = np.ones((1, 2), np.int64)
        self.run(Batch(two * 0, two, two[0, :1]))

    def run(self, batch: Batch) -> BatchLabels:
        """Labels the positions of a batch; see `Backend.run`."""
        packed = pack(batch)
        self._check(packed)
        try:
            return self._label(packed)
        except BackendError:
            raise
        except Exception as error:  # those of CUDA, Triton and torch share no base class
            raise BackendError(f"torch failed on a {batch}: {error}") from error

    def _check(self, packed: PackedBatch) -> None:
        """Refuses what would read past the embedding tables, which a GPU does not notice."""
        longest, size = len(self._encoder.places), len(self._encoder.words)
        if packed.longest > longest:
            raise BackendError(
                f"a sequence has {packed.longest} subwords; the model takes up to {longest}"
            )
        if len(packed.ids) and not 0 <= packed.ids.min() <= packed.ids.max() < size:
            raise BackendError(
                f"a subword id is {packed.ids.min()} or {packed.ids.max()}; "
                f"the model has {size} subwords"
            )

    def _labels_of(self, packed: PackedBatch, computed: Computed) -> BatchLabels:
        ids, scores, logits = computed
        if not scores.isfinite().all():
            raise BackendError(
                f"{self.name} gave scores that are no numbers on a batch of {len(packed.ids)} "
                f"subwords: this model does not hold in {self.precision}; try --precision fp32"
            )

        def fetch(wanted: NDArray[np.int64]) -> Floats:
            rows: Floats = logits[torch.from_numpy(wanted).to(logits.device)].cpu().numpy()
            return rows

        return BatchLabels(
            label_ids=ids.numpy().astype(np.int32), scores=scores.numpy().copy(), logits=fetch
        )

    def _label(self, packed: PackedBatch) -> BatchLabels:
        """Labels a batch; one that does not fit into memory by halves."""
        if not len(packed.word_rows):
            return _joined([], self._labels)
        try:
            return self._labels_of(packed, self._compute(packed))
        except torch.OutOfMemoryError as error:
            parts, reason = halves(packed), str(error)
        # Out of the handler: the error holds on to what was computed until then.
        torch.cuda.empty_cache()
        if parts is None:
            raise BackendError(
                f"a sequence of {len(packed.ids)} subwords does not fit into the memory "
                f"of {self.device}: {reason}"
            )
        self.batch_tokens = min(self.batch_tokens, max(1, len(packed.ids) // 2))
        return _joined([self._label(part) for part in parts], self._labels)


def find_device(device: str = "auto") -> torch.device:
    """The device that an option names.

    Raises:
        BackendError: there is no such device, or it cannot run the kernels.
    """
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    match = re.fullmatch(r"auto|cuda(?::(\d+))?", device)
    if not match:
        raise BackendError(f"device {device!r} is unknown; expected auto, cpu, cuda, or cuda:0")
    index, count = int(match[1] or 0), torch.cuda.device_count()
    if not torch.cuda.is_available() or index >= count:
        raise BackendError(
            f"device {device!r} cannot be used: torch {torch.__version__} finds {count} GPUs; "
            "`nvidia-smi` shows GPU and driver; a torch whose version ends in +cpu has no CUDA"
        )
    capability = torch.cuda.get_device_capability(index)
    if capability < _LEAST_CAPABILITY:
        raise BackendError(
            f"{torch.cuda.get_device_name(index)} has compute capability "
            f"{'.'.join(map(str, capability))}; backend torch needs 8.0 (Ampere) or newer: "
            "use --device cpu"
        )
    return torch.device("cuda", index)


def _find_precision(precision: str, on_gpu: bool) -> str:
    known = ("fp16", "fp32") if on_gpu else ("fp32",)
    if precision == "auto":
        return known[0]
    if precision not in known:
        raise BackendError(
            f"backend torch on a {'GPU' if on_gpu else 'CPU'} computes in {' or '.join(known)}, "
            f"not {precision}"
        )
    return precision


def _joined(parts: Sequence[BatchLabels], labels: int) -> BatchLabels:
    """The labels of a batch from those of its parts."""
    begin = begins_of([part.label_ids for part in parts])

    def fetch(wanted: NDArray[np.int64]) -> Floats:
        rows = np.empty((len(wanted), labels), np.float32)
        for part, first, end in zip(parts, begin[:-1], begin[1:], strict=True):
            inside = (wanted >= first) & (wanted < end)
            rows[inside] = part.logits(wanted[inside] - first)
        return rows

    def glued(arrays: list[Any], dtype: Any) -> Any:
        return np.concatenate([*arrays, np.zeros(0, dtype)])

    return BatchLabels(
        label_ids=glued([part.label_ids for part in parts], np.int32),
        scores=glued([part.scores for part in parts], np.float32),
        logits=fetch,
    )
