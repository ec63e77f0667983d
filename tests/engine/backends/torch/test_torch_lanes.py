"""How batches get through a GPU, with a GPU that is none: in tests/gpu on a real one."""

from concurrent.futures import ThreadPoolExecutor

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


def test_a_shape_is_recorded_once_and_replayed_with_other_contents(laned, plain) -> None:
    FakeGraph.replays = 0
    batches = [random_batch(seed, [9 + seed % 2, 7, 5]) for seed in range(6)]
    kept = [laned.run(batch) for batch in batches]
    assert FakeGraph.replays == 6
    assert len(laned._compute._graphs) == 1
    for labels, batch in zip(kept, batches, strict=True):  # later replays left them alone
        assert_same(labels, plain.run(batch))


def test_large_batches_and_those_past_the_last_graph_are_launched_plainly(
    laned, plain, monkeypatch
) -> None:
    monkeypatch.setattr(lanes, "_GRAPH_TOKENS", 64)
    monkeypatch.setattr(lanes, "_MOST_GRAPHS", 1)
    FakeGraph.replays = 0
    for lengths in ([9, 7], [30, 30, 9], [33, 2]):
        batch = random_batch(1, lengths)
        assert_same(laned.run(batch), plain.run(batch))
    assert FakeGraph.replays == 1


def test_threads_share_graphs_without_mixing_up_batches(laned, plain) -> None:
    batches = [random_batch(seed, [5 + seed % 9] * (1 + seed % 4)) for seed in range(40)]
    with ThreadPoolExecutor(2) as pool:
        for batch, labels in zip(batches, pool.map(laned.run, batches), strict=True):
            assert_same(labels, plain.run(batch))


def test_a_graph_that_cannot_be_recorded_for_lack_of_memory_leaves_halves(
    laned, plain, monkeypatch
) -> None:
    decode = lanes._decode

    def limited(encoder, buffer, shape):
        if shape.subwords > 32:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(encoder, buffer, shape)

    monkeypatch.setattr(lanes, "_decode", limited)
    batch = random_batch(1, [9, 9, 9, 9, 9])
    labels = laned.run(batch)
    monkeypatch.undo()
    assert_same(labels, plain.run(batch))
    assert {shape.subwords for shape in laned._compute._graphs} <= {16, 32}
