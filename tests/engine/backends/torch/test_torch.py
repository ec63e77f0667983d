"""The torch backend labels as transformers does; here on a CPU, in tests/gpu on a GPU."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
pytest.importorskip("transformers")

from nerx.engine.arrays import ragged_range  # noqa: E402
from nerx.engine.backends import select  # noqa: E402
from nerx.engine.backends.select import open_backend  # noqa: E402
from nerx.engine.backends.torch import lanes  # noqa: E402
from nerx.engine.backends.torch.backend import TorchBackend, find_device  # noqa: E402
from nerx.engine.backends.torch.packing import pack  # noqa: E402
from nerx.engine.backends.torch.weights import load_weights, save_weights  # noqa: E402
from nerx.engine.errors import BackendError, BundleError  # noqa: E402
from nerx.engine.labels.decoding import pool, softmax  # noqa: E402
from nerx.engine.types import Batch  # noqa: E402
from nerx.kernels.architectures import config_from_hugging_face  # noqa: E402

from ....kernels.models import ARCHITECTURES, LONGEST, VOCABULARY, classifier  # noqa: E402
from .torch_models import (  # noqa: E402
    backend_of,
    bundle_of,
    expected_logits,
    random_batch,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest):
    return classifier(request.param)


@pytest.mark.parametrize("lengths", [[9, 9, 7, 2, 1], [LONGEST], [1], [1, 30, 5]])
def test_labels_are_those_of_transformers(model, lengths: list[int]) -> None:
    batch = random_batch(1, lengths)
    labels = backend_of(model).run(batch)
    logits = expected_logits(model, batch)
    powers = np.exp(logits)
    np.testing.assert_array_equal(labels.label_ids, logits.argmax(axis=1))
    scores = powers.max(axis=1, initial=0) / powers.sum(axis=1)
    np.testing.assert_allclose(labels.scores, scores, atol=1e-5)
    some = np.arange(len(logits))[::2]
    np.testing.assert_allclose(labels.logits(some), logits[some], atol=1e-4)
    assert (labels.label_ids.dtype, labels.scores.dtype) == (np.int32, np.float32)


def test_empty_batches_have_no_labels(model) -> None:
    backend = backend_of(model)
    none = np.zeros(0, np.int64)
    rows = np.zeros((2, 3), np.int64)
    for batch in (Batch(rows, rows + 1, none), Batch(rows[:0, :0], rows[:0, :0], none)):
        labels = backend.run(batch)
        assert labels.label_ids.shape == labels.scores.shape == (0,)
        assert labels.logits(none).shape == (0, 5)


def without_memory_for(backend: TorchBackend, subwords: int, monkeypatch) -> list[int]:
    """Makes larger batches run out of memory; gives the sizes that were tried."""
    tried: list[int] = []
    compute = backend._compute

    def limited(packed):
        tried.append(len(packed.ids))
        if len(packed.ids) > subwords:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(packed)

    monkeypatch.setattr(backend, "_compute", limited)
    return tried


def test_without_memory_a_batch_is_halved_and_so_is_the_budget(model, monkeypatch) -> None:
    backend = backend_of(model)
    batch = random_batch(2, [9] * 8 + [5] * 9)
    whole = backend.run(batch)
    tried = without_memory_for(backend, 40, monkeypatch)
    parts = backend.run(batch)
    assert tried[0] == 117
    assert sum(size for size in tried if size <= 40) == 117
    assert backend.batch_tokens <= 58
    np.testing.assert_array_equal(parts.label_ids, whole.label_ids)
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(len(whole.label_ids))
    np.testing.assert_allclose(parts.logits(shuffled), whole.logits(shuffled), atol=1e-5)


def test_a_sequence_that_does_not_fit_is_an_error(model, monkeypatch) -> None:
    backend = backend_of(model)
    without_memory_for(backend, 10, monkeypatch)
    with pytest.raises(BackendError, match=r"11 subwords does not fit.*CUDA out of memory"):
        backend.run(random_batch(2, [11, 3]))


def test_other_failures_are_told_in_torch_s_words(model, monkeypatch) -> None:
    backend = backend_of(model)

    def fail(packed):
        raise RuntimeError("CUDA error: the launch failed")

    monkeypatch.setattr(backend, "_compute", fail)
    with pytest.raises(BackendError, match=r"failed on a 2 x 4 batch: CUDA error"):
        backend.run(random_batch(2, [4, 3]))


def test_what_the_tables_do_not_hold_is_refused(model) -> None:
    backend = backend_of(model)
    with pytest.raises(BackendError, match=r"has 41 subwords; the model takes up to 40"):
        backend.run(random_batch(1, [LONGEST + 1]))
    batch = random_batch(1, [4])
    for wrong in (VOCABULARY, -1):
        with pytest.raises(BackendError, match=rf"is {wrong} or .*|or {wrong}; the model has 90"):
            backend.run(Batch(batch.input_ids * 0 + wrong, batch.attention_mask, batch.word_index))


def test_threads_bound_the_cores_of_torch(model) -> None:
    before = torch.get_num_threads()
    try:
        backend_of(model, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_what_a_cpu_cannot_do_is_refused(model) -> None:
    for precision in ("fp16", "int8"):
        with pytest.raises(BackendError, match=f"on a CPU computes in fp32, not {precision}"):
            backend_of(model, precision=precision)
    assert (backend_of(model).precision, backend_of(model).device) == ("fp32", "cpu")


def test_more_labels_than_the_kernel_takes_are_refused() -> None:
    with pytest.raises(BackendError, match="has 65 labels; backend torch takes 64"):
        backend_of(classifier("bert", num_labels=65))


def test_saved_weights_are_loaded_as_they_were(tmp_path: Path, model) -> None:
    save_weights(tmp_path / "model.safetensors", model.config.to_dict(), model.state_dict())
    config, weights = load_weights(bundle_of(tmp_path, "safetensors", "fp32", "model.safetensors"))
    assert config == config_from_hugging_face(model.config.to_dict())
    torch.testing.assert_close(weights, dict(model.state_dict()), rtol=0, atol=0)


def test_weights_of_another_kind_are_refused(tmp_path: Path, model) -> None:
    path = tmp_path / "model.safetensors"
    config = model.config.to_dict() | {"model_type": "deberta"}
    for content, message in (
        (lambda: save_weights(path, config, model.state_dict()), "model_type is 'deberta'"),
        (lambda: safetensors.save_file(model.state_dict(), path), "not hold the model's config"),
        (lambda: path.write_bytes(json.dumps({}).encode()), "cannot use .*model.safetensors"),
    ):
        content()
        bundle = bundle_of(tmp_path, "safetensors", "fp32", path.name)
        with pytest.raises(BackendError, match=message):
            load_weights(bundle)
    with pytest.raises(BundleError, match="holds no weights that torch can read"):
        load_weights(bundle_of(tmp_path, "openvino", "int8", path.name))


def test_an_onnx_graph_of_another_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(BackendError, match="it is no ONNX graph"):
        load_weights(bundle_of(tmp_path, "onnx", "fp32", "model.onnx"))


def test_a_modernbert_s_graph_without_its_configuration_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    rows = "/model/embeddings/tok_embeddings/Gather_output_0"
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["a", "b"], [rows])], "", [], []
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    with pytest.raises(BackendError, match="configuration of a ModernBERT: export it again"):
        load_weights(bundle_of(tmp_path, "onnx", "fp32", "model.onnx"))


def test_a_gpu_that_is_not_there_is_named(tmp_path: Path, model) -> None:
    save_weights(tmp_path / "model.safetensors", model.config.to_dict(), model.state_dict())
    bundle = bundle_of(tmp_path, "safetensors", "fp32", "model.safetensors")
    with pytest.raises(BackendError, match=r"device 'cuda:99' cannot be used: torch .* finds \d"):
        open_backend(bundle, "torch", device="cuda:99")
    with pytest.raises(BackendError, match="device 'tpu' is unknown; expected auto, cpu, cuda"):
        open_backend(bundle, "torch", device="tpu")
    batch = random_batch(1, [9, 3])
    logits = expected_logits(model, batch)
    labels = open_backend(bundle, "torch", device="cpu").run(batch)
    np.testing.assert_array_equal(labels.label_ids, logits.argmax(axis=1))


@pytest.mark.parametrize("lengths", [[9, 9, 7, 2, 1], [LONGEST], [1], [3] * 17])
def test_a_batch_filled_up_to_a_recorded_shape_keeps_its_labels(model, lengths) -> None:
    encoder = backend_of(model)._encoder
    packed = pack(random_batch(5, lengths))
    shape = lanes.Shape(64, 20, 64, LONGEST)
    buffer, _ = lanes.flatten(packed, shape)
    filled = lanes._decode(encoder, torch.from_numpy(buffer), shape)
    for part, whole in zip(filled, lanes.compute(encoder, packed), strict=True):
        torch.testing.assert_close(part[: len(whole)], whole)


def test_scores_that_are_no_numbers_are_an_error() -> None:
    model = classifier("bert")
    model.bert.encoder.layer[1].output.dense.bias.data[3] = torch.inf  # as fp16 that overflows
    with pytest.raises(BackendError, match=r"scores that are no numbers.*does not hold in fp32"):
        backend_of(model)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooled_labels_are_those_that_the_engine_pools(model, how: str) -> None:
    batch = random_batch(1, [9, 9, 6])
    words = np.array([0, 2, 3, 9, 12, 18])
    pieces = np.array([2, 1, 6, 3, 5, 6], np.int32)
    pooled = replace(batch, word_index=words, pieces=pieces, pooling=how)
    labels = backend_of(model).run(pooled)
    every = replace(batch, word_index=ragged_range(words, pieces))
    truth = pool(softmax(expected_logits(model, every)), pieces, how)
    np.testing.assert_array_equal(labels.label_ids, truth.argmax(axis=1))
    np.testing.assert_allclose(labels.scores, truth.max(axis=1), atol=1e-5)
    np.testing.assert_allclose(np.exp(labels.logits(np.arange(6))), truth, atol=1e-5)


def gpu_of_capability(monkeypatch, *capability: int) -> None:
    """Lets torch claim a GPU."""
    fakes = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_capability": lambda index: capability,
        "get_device_name": lambda index: "Tesla T4",
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)


def test_a_gpu_that_is_too_old_is_named_and_never_taken_unasked(
    tmp_path: Path, model, monkeypatch
) -> None:
    gpu_of_capability(monkeypatch, 7, 5)
    with pytest.raises(BackendError, match=r"Tesla T4 has compute capability 7\.5; .* needs 8\.0"):
        find_device("cuda")
    monkeypatch.setattr(select, "_NVIDIA", tmp_path)
    save_weights(tmp_path / "model.safetensors", model.config.to_dict(), model.state_dict())
    bundle = bundle_of(tmp_path, "safetensors", "fp32", "model.safetensors")
    with pytest.raises(BundleError, match="only fp32 \\(safetensors\\)"):
        open_backend(bundle)


def test_auto_takes_a_gpu_that_can_be_used(tmp_path: Path, model, monkeypatch) -> None:
    gpu_of_capability(monkeypatch, 9, 0)
    assert find_device() == find_device("cuda:0") == torch.device("cuda", 0)
    monkeypatch.setattr(
        "nerx.engine.backends.torch.backend.find_device", lambda name: torch.device("cpu")
    )
    monkeypatch.setattr(select, "_NVIDIA", tmp_path)
    save_weights(tmp_path / "model.safetensors", model.config.to_dict(), model.state_dict())
    bundle = bundle_of(tmp_path, "safetensors", "fp32", "model.safetensors")
    assert open_backend(bundle).name == "torch"
    for otherwise in ({"precision": "int8"}, {"device": "cpu"}):
        with pytest.raises(BundleError):
            open_backend(bundle, **otherwise)
    with pytest.raises(BundleError):
        open_backend(replace(bundle, architecture="deberta"))
