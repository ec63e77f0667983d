"""The torch backend on a GPU gives the labels of float32 on a CPU, whatever the batches."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from nerx.engine.backends.torch import lanes  # noqa: E402
from nerx.engine.errors import BackendError  # noqa: E402

from ..engine.backends.torch.torch_models import backend_of, random_batch  # noqa: E402
from ..kernels.models import LONGEST, classifier  # noqa: E402

WIDE = {"hidden_size": 256, "num_attention_heads": 8, "intermediate_size": 512}
LENGTHS = [int(n) for n in np.random.default_rng(0).integers(1, LONGEST + 1, 2000)]


@pytest.fixture(scope="module", params=["bert", "albert"])
def model(request: pytest.FixtureRequest):
    return classifier(request.param, **WIDE, initializer_range=0.05)


def agreement(one, other) -> float:
    return float(np.mean(one.label_ids == other.label_ids))


@pytest.mark.parametrize("lengths", [LENGTHS, [LONGEST] * 3, [1], [5, 1, 1]])
def test_labels_are_those_of_float32(model, lengths) -> None:
    batch = random_batch(1, lengths)
    gpu = backend_of(model, device="cuda").run(batch)
    truth = backend_of(model).run(batch)
    assert agreement(gpu, truth) >= 0.999
    np.testing.assert_allclose(gpu.scores, truth.scores, atol=0.02)
    some = np.arange(len(gpu.label_ids))[::3]
    np.testing.assert_allclose(gpu.logits(some), truth.logits(some), atol=0.05)


def test_float32_on_a_gpu_is_float32(model) -> None:
    batch = random_batch(1, LENGTHS[:200])
    gpu = backend_of(model, device="cuda", precision="fp32").run(batch)
    np.testing.assert_allclose(gpu.scores, backend_of(model).run(batch).scores, atol=1e-4)


def test_recorded_launches_give_what_plain_ones_give(model, monkeypatch) -> None:
    monkeypatch.setattr(lanes, "GRAPH_SUBWORDS", 4096)
    recorded = backend_of(model, device="cuda")
    assert recorded._compute._graphs
    for seed in range(12):  # shapes come again, with other contents
        batch = random_batch(seed, LENGTHS[seed : seed + 190])
        monkeypatch.setattr(lanes, "_LEAST_FILL", 2.0)
        truth = recorded.run(batch)
        monkeypatch.setattr(lanes, "_LEAST_FILL", 0.5)
        labels = recorded.run(batch)
        assert agreement(labels, truth) >= 0.99
        np.testing.assert_allclose(labels.scores, truth.scores, atol=5e-3)


def test_results_stay_when_the_next_batch_runs(model) -> None:
    backend = backend_of(model, device="cuda")
    first = backend.run(random_batch(1, LENGTHS[:20]))
    every = np.arange(len(first.label_ids))
    kept = first.label_ids.copy(), first.scores.copy(), first.logits(every).copy()
    for seed in range(2, 8):
        backend.run(random_batch(seed, LENGTHS[:20]))
    np.testing.assert_array_equal(first.label_ids, kept[0])
    np.testing.assert_array_equal(first.scores, kept[1])
    np.testing.assert_array_equal(first.logits(every), kept[2])


def test_threads_do_not_mix_up_their_batches(model) -> None:
    backend = backend_of(model, device="cuda")
    truth = backend_of(model)
    batches = [random_batch(seed, LENGTHS[:: 1 + 40 * (seed % 3)]) for seed in range(24)]
    with ThreadPoolExecutor(backend.streams) as pool:
        for batch, labels in zip(batches, pool.map(backend.run, batches), strict=True):
            assert agreement(labels, truth.run(batch)) >= 0.995


def test_a_batch_too_large_for_the_memory_is_halved(model) -> None:
    backend = backend_of(model, device="cuda")
    batch = random_batch(1, LENGTHS * 20)
    truth = backend.run(batch)
    budget = backend.batch_tokens
    free = torch.cuda.mem_get_info()[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + (500 << 20)) / free)
    try:
        labels = backend.run(batch)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert agreement(labels, truth) >= 0.999
    assert backend.batch_tokens <= budget


def test_a_gpu_that_does_not_exist() -> None:
    with pytest.raises(BackendError, match="device 'cuda:99' cannot be used"):
        backend_of(classifier("bert"), device="cuda:99")
