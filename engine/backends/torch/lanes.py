"""How a packed batch gets through a GPU: one copy in, the encoder, a few bytes a word out."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....kernels.architectures import Encoder
from ....kernels.word_labels import word_labels
from .packing import PackedBatch

Computed = tuple[Tensor, Tensor, Tensor]  # ids uint8 and scores on the host; logits on the device

_ALIGNMENT = 16  # numbers of four bytes: kernels load 16 bytes at once
GRAPH_SUBWORDS = 32768  # of a recorded batch
_GRAPH_SEQUENCES = 2048
_GRAPH_LONGEST = (64, 128, 256, 512)  # subwords of the longest sequence
_LEAST_FILL = 0.75  # of a graph; what is computed for nothing then costs more than launching does


def compute(encoder: Encoder, packed: PackedBatch) -> Computed:
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
    pooling: str = "first"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of ids, positions, begin, word rows and, with pooling, pieces."""
        pieces = () if self.pooling == "first" else (self.words,)
        return self.subwords, self.subwords, self.sequences + 1, self.words, *pieces

    @property
    def total(self) -> int:
        """Numbers in the buffer."""
        return sum(map(_aligned, self.sizes))

    def views(self, buffer: Tensor) -> list[Tensor]:
        """The arrays in a buffer, in the order of `sizes`."""
        parts = buffer.split([_aligned(size) for size in self.sizes])
        return [part[:size] for part, size in zip(parts, self.sizes, strict=True)]


def flatten(packed: PackedBatch, shape: Shape | None = None) -> tuple[NDArray[np.int32], Shape]:
    """The arrays of a batch in one buffer, so that one copy brings them all to the device.

    shape: a larger one to fill up to: sequences by empty ones, the others by zeros
    """
    own = Shape(
        len(packed.ids),
        len(packed.begin) - 1,
        len(packed.word_rows),
        packed.longest,
        packed.pooling,
    )
    shape = shape or own
    buffer = np.zeros(shape.total, np.int32)
    views = [view.numpy() for view in shape.views(torch.from_numpy(buffer))]
    held = (packed.ids, packed.positions, packed.begin, packed.word_rows, packed.pieces)
    for view, values in zip(views, held, strict=False):  # without pooling, pieces have no view
        assert values is not None
        view[: len(values)] = values
    views[2][own.sequences + 1 :] = packed.begin[-1]
    return buffer, shape


def _decode(encoder: Encoder, buffer: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    ids, positions, begin, word_rows, *pieces = shape.views(buffer)
    with torch.inference_mode():
        hidden = encoder(ids, positions, begin, shape.longest)
        found, scores, logits = word_labels(
            hidden, *encoder.classifier, word_rows, *pieces, pooling=shape.pooling
        )
    assert logits is not None
    return found, scores, logits


class Lanes:
    """Runs batches on a GPU, on a CUDA stream for each calling thread.

    Batches that nearly fill a recorded shape are replayed as CUDA graphs, without the time that
    Python needs for each launch. All are recorded here and now, on the thread and stream that
    replay them, so that a batch takes the same way whenever it comes.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._local = threading.local()
        # Half-precision sums of partial products would not be those of float32.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        torch.cuda.synchronize(encoder.device)  # the weights are there for every stream
        # cuBLAS keeps its workspace by thread and stream: one of each for all graphs.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nerx-graphs")
        self._graph_stream = torch.cuda.Stream(encoder.device)
        self._graphs = self._thread.submit(self._record).result()

    def __call__(self, packed: PackedBatch) -> Computed:
        """Labels a batch; waits until it is done."""
        if graph := self._graph(packed):
            inputs = _pinned(flatten(packed, graph.shape)[0])
            words = len(packed.word_rows)
            fetched, done = self._thread.submit(self._replay, graph, inputs, words).result()
        else:
            buffer, shape = flatten(packed)
            with torch.cuda.stream(self._stream()):
                inputs = _pinned(buffer).to(self._encoder.device, non_blocking=True)
                fetched, done = _fetch(*_decode(self._encoder, inputs, shape))
        done.synchronize()
        return fetched

    def _stream(self) -> torch.cuda.Stream:
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self._encoder.device)
        stream: torch.cuda.Stream = self._local.stream
        return stream

    def _graph(self, packed: PackedBatch) -> "_Graph | None":
        """The first recorded shape that holds a batch, if the batch nearly fills it."""
        subwords, sequences = len(packed.ids), len(packed.begin) - 1
        full = _LEAST_FILL * GRAPH_SUBWORDS <= subwords <= GRAPH_SUBWORDS
        if not full or sequences > _GRAPH_SEQUENCES or packed.pooling != "first":
            return None
        longest = packed.longest
        return next((graph for graph in self._graphs if longest <= graph.shape.longest), None)

    def _replay(self, graph: "_Graph", inputs: Tensor, words: int) -> "_Fetched":
        with torch.cuda.stream(self._graph_stream):
            return graph.start(inputs, words)

    def _record(self) -> "list[_Graph]":
        """Graphs of all shapes, by their longest sequence; none if one cannot be recorded."""
        most = len(self._encoder.places)
        pool = torch.cuda.graph_pool_handle()
        graphs: list[_Graph] = []
        try:
            with torch.cuda.stream(self._graph_stream):
                for longest in sorted({min(longest, most) for longest in _GRAPH_LONGEST}):
                    shape = Shape(GRAPH_SUBWORDS, _GRAPH_SEQUENCES, GRAPH_SUBWORDS, longest)
                    graphs.append(_Graph(self._encoder, shape, pool))
        except Exception as error:  # those of CUDA, Triton and torch share no base class
            warnings.warn(f"CUDA graphs are not used: {error}", stacklevel=2)
            graphs.clear()
            with suppress(Exception):  # before torch 2.12, a recording that failed keeps the pool
                torch._C._cuda_endAllocateToPool(self._encoder.device.index, pool)
            torch.cuda.empty_cache()
        return graphs


class _Graph:
    """The launches of a batch of one shape, recorded once; smaller batches are filled up to it."""

    def __init__(self, encoder: Encoder, shape: Shape, pool: tuple[int, int]) -> None:
        self.shape = shape
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

    def start(self, inputs: Tensor, words: int) -> "_Fetched":
        """Starts to label a batch; its results do not change when the graph runs again."""
        self._inputs.copy_(inputs, non_blocking=True)
        self._graph.replay()
        ids, scores, logits = (output[:words] for output in self._outputs)
        return _fetch(ids, scores, logits.clone())


_Fetched = tuple[Computed, torch.cuda.Event]


def _fetch(ids: Tensor, scores: Tensor, logits: Tensor) -> _Fetched:
    """Starts to bring labels and scores to the host, where they are once the event has happened.

    Logits stay until someone asks for some. Who waits for the event sleeps.
    """
    host = [
        torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(part, non_blocking=True)
        for part in (ids, scores)
    ]
    done = torch.cuda.Event(blocking=True)
    done.record()
    return (host[0], host[1], logits), done


def _pinned(buffer: NDArray[np.int32]) -> Tensor:
    """A copy in page-locked memory, from which the GPU reads while it computes."""
    return torch.from_numpy(buffer).pin_memory()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
