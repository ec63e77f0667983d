"""A tiny token classifier whose labels plain numpy can tell, as ONNX files and as a bundle."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nerx.engine.bundle import Artifact, Bundle, file_hashes
from nerx.engine.types import Batch

LABELS = ("O", "B-X", "I-X")
VOCAB, WIDTH = 40, 6


@pytest.fixture(scope="session")
def weights() -> SimpleNamespace:
    random = np.random.default_rng(3)
    return SimpleNamespace(
        table=random.normal(size=(VOCAB, WIDTH)).astype(np.float32),
        matrix=random.normal(size=(WIDTH, len(LABELS))).astype(np.float32),
        bias=random.normal(size=len(LABELS)).astype(np.float32),
    )


def plain_model(weights: SimpleNamespace):
    """input_ids, attention_mask, token_type_ids -> logits, as optimum exports a classifier."""
    onnx = pytest.importorskip("onnx")
    grid = ["rows", "length"]
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    graph = onnx.helper.make_graph(
        [
            node("Gather", ["table", "input_ids"], ["words"]),
            node("Gather", ["types", "token_type_ids"], ["kinds"]),
            node("Add", ["words", "kinds"], ["summed"]),
            node("Cast", ["attention_mask"], ["mask"], to=onnx.TensorProto.FLOAT),
            node("Unsqueeze", ["mask", "one"], ["column"]),
            node("Mul", ["summed", "column"], ["hidden"]),
            node("MatMul", ["hidden", "matrix"], ["product"]),
            node("Add", ["bias", "product"], ["logits"]),
        ],
        "tiny",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, grid)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        [
            onnx.helper.make_tensor_value_info(
                "logits", onnx.TensorProto.FLOAT, [*grid, len(LABELS)]
            )
        ],
        [
            tensor(weights.table, "table"),
            tensor(np.zeros((2, WIDTH), np.float32), "types"),
            tensor(weights.matrix, "matrix"),
            tensor(weights.bias, "bias"),
            tensor(np.array([-1]), "one"),
        ],
    )
    opset = onnx.helper.make_opsetid("", 18)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)


def make_bundle(folder: Path, onnx_file: str, precision: str = "fp32") -> Bundle:
    (folder / "tokenizer.json").write_text("{}")
    bundle = Bundle(
        folder=folder,
        name="tiny",
        architecture="bert",
        labels=LABELS,
        scheme=None,
        unit="words",
        max_length=64,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(
            Artifact(format="onnx", precision=precision, files=file_hashes(folder, [onnx_file])),
        ),
    )
    bundle.write_manifest()
    return Bundle.load(folder)


@pytest.fixture
def plain_bundle(tmp_path: Path, weights: SimpleNamespace) -> Bundle:
    """A bundle whose graph gives the logits of every subword."""
    onnx = pytest.importorskip("onnx")
    onnx.save(plain_model(weights), tmp_path / "model.fp32.onnx")
    return make_bundle(tmp_path, "model.fp32.onnx")


@pytest.fixture
def decoding_bundle(tmp_path: Path, weights: SimpleNamespace) -> Bundle:
    """A bundle whose graph decodes words itself, as `nerx export` makes them."""
    onnx = pytest.importorskip("onnx")
    graph = pytest.importorskip("nerx.export.graph")
    model = plain_model(weights)
    graph.drop_token_types(model)
    graph.append_decode_tail(model, len(LABELS))
    onnx.save(model, tmp_path / "model.fp32.onnx")
    return make_bundle(tmp_path, "model.fp32.onnx")


@pytest.fixture(params=["openvino", "onnxruntime"])
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return request.param


def random_batch(seed: int, rows: int = 5, length: int = 9) -> Batch:
    """Rows of different lengths; about half of their positions are to be labelled."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, length + 1, rows)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    ids = random.integers(1, VOCAB, (rows, length)) * mask
    wanted = np.flatnonzero(mask.reshape(-1) * (random.random(rows * length) < 0.5))
    return Batch(input_ids=ids, attention_mask=mask, word_index=wanted)


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps compiled models out of the user's own cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread: small tensors gain nothing from more, and wait where others compute."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
