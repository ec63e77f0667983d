"""As much of torch's CUDA as the lanes use, on the CPU: what is recorded is replayed."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from nerx.engine.backends.torch import lanes


class FakeGraph:
    """A recorded call that is made again into the same outputs."""

    recording: "FakeGraph | None" = None
    replays = 0
    recorded = 0

    def replay(self) -> None:
        FakeGraph.replays += 1
        with torch.inference_mode():
            for output, value in zip(self.outputs, self.decode(*self.call), strict=True):
                output.copy_(value)


class FakeRecording:
    """`torch.cuda.graph`."""

    def __init__(self, graph: FakeGraph, *, pool, stream, capture_error_mode) -> None:
        assert capture_error_mode == "thread_local"
        self.graph = graph

    def __enter__(self) -> None:
        assert FakeGraph.recording is None
        FakeGraph.recording = self.graph
        FakeGraph.recorded += 1

    def __exit__(self, *_) -> None:
        FakeGraph.recording = None


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the fakes where `nerx.engine.backends.torch.lanes` looks for CUDA."""
    stream = SimpleNamespace(synchronize=lambda: None)
    FakeGraph.replays = FakeGraph.recorded = 0
    event = SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    fakes = {
        "Event": lambda blocking: event,
        "empty_cache": lambda: None,
        "Stream": lambda device: stream,
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda: stream,
        "synchronize": lambda device: None,
        "graph_pool_handle": lambda: (0, 0),
        "CUDAGraph": FakeGraph,
        "graph": FakeRecording,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    real_empty, real_decode = torch.empty, lanes._decode

    def decode(*call):
        outputs = real_decode(*call)
        if graph := FakeGraph.recording:
            graph.call, graph.outputs, graph.decode = call, outputs, real_decode
        return outputs

    def empty(*size, pin_memory=False, **options):
        return real_empty(*size, **options)

    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(lanes, "_decode", decode)
    monkeypatch.setattr(lanes, "GRAPH_SUBWORDS", 64)
    monkeypatch.setattr(lanes, "_GRAPH_SEQUENCES", 8)
    monkeypatch.setattr(lanes, "_GRAPH_LONGEST", (8, 16, 32, 64))
