"""How a packed batch gets through a GPU: one copy in, the encoder, a few bytes a word out."""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....kernels.attention import has_flash_attention
from ....kernels.encoder import PackedEncoder
from ....kernels.word_labels import word_labels
from .packing import PackedBatch

Computed = tuple[Tensor, Tensor, Tensor]  # ids uint8 and scores on the host; logits on the device

_ALIGNMENT = 16  # numbers of four bytes: kernels load 16 bytes at once
_GRAPH_TOKENS = 4096  # above, the GPU takes longer to compute than Python to launch
_MOST_GRAPHS = 32
_LEAST_SIDE = 16  # of a graph's shape


def compute(encoder: PackedEncoder, packed: PackedBatch) -> Computed:
    """Runs a batch on a CPU."""
    buffer, shape = flatten(packed)
    return _decode(encoder, torch.from_numpy(buffer), shape)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a packed batch, and where its arrays lie in one flat buffer."""

    subwords: int
    sequences: int
    words: int
    longest: int

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Of ids, positions, begin and word rows."""
        return self.subwords, self.subwords, self.sequences + 1, self.words

    @property
    def total(self) -> int:
        """Numbers in the buffer."""
        return sum(map(_aligned, self.sizes))

    def views(self, buffer: Tensor) -> list[Tensor]:
        """ids, positions, begin and word rows in a buffer."""
        parts = buffer.split([_aligned(size) for size in self.sizes])
        return [part[:size] for part, size in zip(parts, self.sizes, strict=True)]


def flatten(packed: PackedBatch, shape: Shape | None = None) -> tuple[NDArray[np.int32], Shape]:
    """The four arrays of a batch in one buffer, so that one copy brings them all to the device.

    shape: a larger one to fill up to: sequences by empty ones, the others by zeros
    """
    own = Shape(len(packed.ids), len(packed.begin) - 1, len(packed.word_rows), packed.longest)
    shape = shape or own
    buffer = np.zeros(shape.total, np.int32)
    ids, positions, begin, word_rows = (
        view.numpy() for view in shape.views(torch.from_numpy(buffer))
    )
    ids[: own.subwords] = packed.ids
    positions[: own.subwords] = packed.positions
    begin[: own.sequences + 1] = packed.begin
    begin[own.sequences + 1 :] = packed.begin[-1]
    word_rows[: own.words] = packed.word_rows
    return buffer, shape


def _decode(encoder: PackedEncoder, buffer: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    ids, positions, begin, word_rows = shape.views(buffer)
    with torch.inference_mode():
        hidden = encoder(ids, positions, begin, shape.longest)
        found, scores, logits = word_labels(hidden, *encoder.classifier, word_rows)
    assert logits is not None
    return found, scores, logits


class Lanes:
    """Runs batches on a GPU, on a CUDA stream for each calling thread.

    Small batches, whose launches take longer than their computation, are replayed as CUDA graphs.
    """

    def __init__(self, encoder: PackedEncoder) -> None:
        self._encoder = encoder
        self._local = threading.local()
        self._lock = threading.Lock()  # graphs share their memory: one at a time
        self._graphs: dict[Shape, _Graph] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._graph_stream = torch.cuda.Stream(encoder.device)  # memory is shared within a stream
        size = encoder.width // encoder.config.heads
        self._recordable = has_flash_attention(encoder.device, encoder.dtype, size)
        # Half-precision sums of partial products would not be those of float32.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        torch.cuda.synchronize(encoder.device)  # the weights are there for every stream

    def __call__(self, packed: PackedBatch) -> Computed:
        """Labels a batch; waits until it is done."""
        if self._recordable and len(packed.ids) <= _GRAPH_TOKENS:
            with self._lock, torch.cuda.stream(self._graph_stream):
                if graph := self._graph(_rounded(packed)):
                    return graph(packed)
        with torch.cuda.stream(self._stream()):
            buffer, shape = flatten(packed)
            inputs = (
                torch.from_numpy(buffer).pin_memory().to(self._encoder.device, non_blocking=True)
            )
            return _fetched(*_decode(self._encoder, inputs, shape))

    def _stream(self) -> torch.cuda.Stream:
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._encoder.device)
        stream: torch.cuda.Stream = self._local.stream
        return stream

    def _graph(self, shape: Shape) -> "_Graph | None":
        if shape not in self._graphs and len(self._graphs) < _MOST_GRAPHS:
            self._graphs[shape] = _Graph(self._encoder, shape, self._pool)
        return self._graphs.get(shape)


class _Graph:
    """The launches of a batch of one shape, recorded once; smaller batches are filled up to it."""

    def __init__(self, encoder: PackedEncoder, shape: Shape, pool: tuple[int, int]) -> None:
        self._shape = shape
        self._inputs = torch.zeros(shape.total, dtype=torch.int32, device=encoder.device)
        _decode(encoder, self._inputs, shape)  # compiles kernels, which cannot be recorded
        torch.cuda.current_stream().synchronize()
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may take memory meanwhile, which the strict mode would forbid.
        with torch.cuda.graph(
            self._graph,
            pool=pool,
            stream=torch.cuda.current_stream(),
            capture_error_mode="thread_local",
        ):
            self._outputs = _decode(encoder, self._inputs, shape)

    def __call__(self, packed: PackedBatch) -> Computed:
        """Labels a batch; its results do not change when the graph runs again."""
        buffer, _ = flatten(packed, self._shape)
        self._inputs.copy_(torch.from_numpy(buffer).pin_memory(), non_blocking=True)
        self._graph.replay()
        words = len(packed.word_rows)
        ids, scores, logits = (output[:words] for output in self._outputs)
        return _fetched(ids, scores, logits.clone())


def _fetched(ids: Tensor, scores: Tensor, logits: Tensor) -> Computed:
    """Brings labels and scores to the host; logits stay until someone asks for some."""
    host = [
        torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(part, non_blocking=True)
        for part in (ids, scores)
    ]
    torch.cuda.current_stream().synchronize()
    return host[0], host[1], logits


def _rounded(packed: PackedBatch) -> Shape:
    """A batch's shape, rounded up so that few graphs serve all small batches."""
    subwords, sequences, longest = (
        max(_LEAST_SIDE, 1 << (size - 1).bit_length())
        for size in (len(packed.ids), len(packed.begin) - 1, packed.longest)
    )
    return Shape(subwords, sequences, subwords, longest)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
