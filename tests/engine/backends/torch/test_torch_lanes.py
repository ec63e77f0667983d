"""How batches get through a GPU, with a GPU that is none: in tests/gpu on a real one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("transformers")

from nerx.engine.backends.torch import lanes  # noqa: E402
from nerx.engine.backends.torch.backend import TorchBackend  # noqa: E402
from nerx.engine.backends.torch.lanes import Lanes  # noqa: E402

from ....kernels.models import classifier  # noqa: E402
from .fake_cuda import FakeGraph, install  # noqa: E402
from .torch_models import backend_of, random_batch  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def plain() -> TorchBackend:
    return backend_of(classifier("bert"))


@pytest.fixture
def laned(plain: TorchBackend, monkeypatch) -> TorchBackend:
    """The backend with the lanes of a GPU."""
    install(monkeypatch)
    backend = backend_of(classifier("bert"))
    backend._compute = Lanes(backend._encoder)
    return backend


def assert_same(labels, truth) -> None:
    every = np.arange(len(truth.label_ids))
    np.testing.assert_array_equal(labels.label_ids, truth.label_ids)
    np.testing.assert_allclose(labels.scores, truth.scores, atol=1e-6)
    np.testing.assert_allclose(labels.logits(every), truth.logits(every), atol=1e-5)


def test_graphs_are_recorded_at_the_start_and_replayed_with_other_contents(laned, plain) -> None:
    assert FakeGraph.recorded == len(laned._compute._graphs) == 4
    batches = [random_batch(seed, [9 + seed % 2, *[7] * 6]) for seed in range(6)]
    kept = [laned.run(batch) for batch in batches]
    assert FakeGraph.replays == 6
    assert FakeGraph.recorded == 4
    for labels, batch in zip(kept, batches, strict=True):  # later replays left them alone
        assert_same(labels, plain.run(batch))


@pytest.mark.parametrize(
    ("lengths", "replays"),
    [
        ([8] * 8, 1),  # all of a graph
        ([16] * 3, 1),
        ([33, 15], 1),
        ([15] * 3, 0),  # too little of one
        ([33, 32], 0),  # too much
        ([6] * 9, 0),  # too many sequences
    ],
)
def test_what_nearly_fills_a_graph_is_replayed(laned, plain, lengths, replays) -> None:
    batch = random_batch(1, lengths)
    assert_same(laned.run(batch), plain.run(batch))
    assert FakeGraph.replays == replays


def test_threads_share_graphs_without_mixing_up_batches(laned, plain) -> None:
    batches = [random_batch(seed, [5 + seed % 9] * (1 + seed % 8)) for seed in range(40)]
    with ThreadPoolExecutor(2) as pool:
        for batch, labels in zip(batches, pool.map(laned.run, batches), strict=True):
            assert_same(labels, plain.run(batch))
    assert 0 < FakeGraph.replays < 40


def test_where_one_graph_cannot_be_recorded_all_is_launched_plainly(plain, monkeypatch) -> None:
    install(monkeypatch)
    decode = lanes._decode

    def limited(encoder, buffer, shape):
        if shape.longest > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(encoder, buffer, shape)

    monkeypatch.setattr(lanes, "_decode", limited)
    backend = backend_of(classifier("bert"))
    with pytest.warns(UserWarning, match="graphs are not used: CUDA out of memory"):
        backend._compute = Lanes(backend._encoder)
    assert not backend._compute._graphs
    batch = random_batch(1, [8] * 8)
    assert_same(backend.run(batch), plain.run(batch))
    assert not FakeGraph.replays


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooled_batches_are_launched_plainly(laned, plain, pooling) -> None:
    batch = random_batch(1, [8] * 8)
    words = np.arange(0, 64, 4)
    pieces = (1 + words % 3).astype(np.int32)
    batch = replace(batch, word_index=words, pieces=pieces, pooling=pooling)
    assert_same(laned.run(batch), plain.run(batch))
    assert not FakeGraph.replays
