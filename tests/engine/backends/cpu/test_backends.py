"""Both CPU runtimes give the labels that numpy computes from the same weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nerx.engine.backends.select import open_backend
from nerx.engine.bundle import Bundle
from nerx.engine.errors import BackendError
from nerx.engine.types import Batch, BatchLabels

from ..conftest import VOCAB, make_bundle, plain_model, random_batch


def expected_logits(batch: Batch, weights: SimpleNamespace) -> np.ndarray:
    hidden = weights.table[batch.input_ids] * batch.attention_mask[:, :, None]
    return (hidden @ weights.matrix + weights.bias).reshape(-1, 3)[batch.word_index]


def assert_right(labels: BatchLabels, batch: Batch, weights: SimpleNamespace) -> None:
    logits = expected_logits(batch, weights)
    powers = np.exp(logits)
    np.testing.assert_array_equal(labels.label_ids, logits.argmax(axis=1))
    np.testing.assert_allclose(labels.scores, (powers.T / powers.sum(axis=1)).max(axis=0), 1e-5)
    some = np.arange(0, len(logits), 2)
    np.testing.assert_allclose(labels.logits(some), logits[some], rtol=1e-4, atol=1e-5)
    assert labels.label_ids.dtype == np.int32
    assert labels.scores.dtype == np.float32


@pytest.mark.parametrize("kind", ["plain_bundle", "decoding_bundle"])
def test_labels_scores_and_logits_are_those_of_the_weights(
    kind: str, runtime: str, weights: SimpleNamespace, request: pytest.FixtureRequest
) -> None:
    backend = open_backend(request.getfixturevalue(kind), runtime)
    for seed in range(4):
        batch = random_batch(seed, rows=1 + 3 * seed)
        assert_right(backend.run(batch), batch, weights)
    assert (backend.name, backend.precision, backend.device) == (runtime, "fp32", "cpu")


def test_results_stay_when_the_next_batch_runs(decoding_bundle: Bundle, runtime: str) -> None:
    backend = open_backend(decoding_bundle, runtime)
    first = backend.run(random_batch(1))
    ids, scores = first.label_ids.copy(), first.scores.copy()
    logits = first.logits(np.arange(len(ids))).copy()
    for seed in range(2, 6):
        backend.run(random_batch(seed))
    np.testing.assert_array_equal(first.label_ids, ids)
    np.testing.assert_array_equal(first.scores, scores)
    np.testing.assert_array_equal(first.logits(np.arange(len(ids))), logits)


def test_threads_do_not_mix_up_their_batches(
    decoding_bundle: Bundle, runtime: str, weights: SimpleNamespace
) -> None:
    backend = open_backend(decoding_bundle, runtime)
    batches = [random_batch(seed, rows=1 + seed % 7) for seed in range(60)]
    with ThreadPoolExecutor(4) as pool:
        for batch, labels in zip(batches, pool.map(backend.run, batches), strict=True):
            assert_right(labels, batch, weights)


def test_a_batch_without_positions_has_no_labels(decoding_bundle: Bundle, runtime: str) -> None:
    batch = random_batch(0)
    empty = Batch(batch.input_ids, batch.attention_mask, np.zeros(0, np.int64))
    labels = open_backend(decoding_bundle, runtime).run(empty)
    assert labels.label_ids.shape == labels.scores.shape == (0,)


def test_a_runtime_that_fails_says_so_in_its_own_words(
    decoding_bundle: Bundle, runtime: str
) -> None:
    backend = open_backend(decoding_bundle, runtime)
    ids = np.zeros((2, 3), np.int64)
    with pytest.raises(BackendError, match=r"failed on a 2 x 3 batch: .+"):
        backend.run(Batch(ids, np.ones((5, 7), np.int64), np.array([VOCAB])))


def test_a_graph_of_another_kind_is_refused(
    tmp_path, weights: SimpleNamespace, runtime: str
) -> None:
    onnx = pytest.importorskip("onnx")
    model = plain_model(weights)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "start_logits"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(BackendError, match="expected a token classifier"):
        open_backend(make_bundle(tmp_path, "other.onnx"), runtime)


def test_a_file_that_is_no_model_is_refused(tmp_path, runtime: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a protobuf at all")
    with pytest.raises(BackendError, match="cannot load"):
        open_backend(make_bundle(tmp_path, "model.onnx"), runtime)


def test_the_compiled_model_is_kept_where_only_its_owner_can_write(
    decoding_bundle: Bundle, cache_home, weights: SimpleNamespace
) -> None:
    pytest.importorskip("openvino")
    open_backend(decoding_bundle, "openvino")
    [blob] = cache_home.glob("nerx/openvino/*/*.blob")
    assert [path.stat().st_mode & 0o077 for path in list(blob.parents)[:3]] == [0, 0, 0]
    batch = random_batch(2)
    assert_right(open_backend(decoding_bundle, "openvino").run(batch), batch, weights)


def test_a_cache_that_cannot_be_written_does_no_harm(
    decoding_bundle: Bundle, cache_home, weights: SimpleNamespace
) -> None:
    pytest.importorskip("openvino")
    cache_home.write_text("a file where the folder should be")
    batch = random_batch(2)
    assert_right(open_backend(decoding_bundle, "openvino").run(batch), batch, weights)


@pytest.mark.parametrize("absolute", [False, True])
def test_weights_outside_the_folder_are_not_read(
    absolute: bool, tmp_path: Path, weights: SimpleNamespace, runtime: str
) -> None:
    onnx = pytest.importorskip("onnx")
    folder = tmp_path / "bundle"
    folder.mkdir()
    model = plain_model(weights)
    table = model.graph.initializer[0]
    secret = tmp_path / "secret.bin"
    secret.write_bytes(table.raw_data)
    onnx.external_data_helper.set_external_data(
        table, str(secret) if absolute else "../secret.bin", 0, len(table.raw_data)
    )
    table.ClearField("raw_data")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BackendError, match="cannot load"):
        open_backend(make_bundle(folder, "model.onnx"), runtime)
