"""A real bundle in a moment: a table from subwords to labels, as an ONNX graph."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array
from tokenizers import Tokenizer

from nerx.engine.bundle import Artifact, Bundle, file_hashes

from .engine.tokenizers_for_tests import wordpiece

NER = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
BARE = ("B", "I")


def write_tiny_bundle(
    folder: Path,
    labels: tuple[str, ...] = NER,
    unit: str = "words",
    tokenizer: Tokenizer | None = None,
) -> Path:
    """Writes a bundle whose labels depend on each word's first subword alone."""
    folder.mkdir(parents=True)
    tokenizer = tokenizer or wordpiece()
    tokenizer.save(str(folder / "tokenizer.json"))
    onnx.save(_table(tokenizer.get_vocab_size(), len(labels)), folder / "model.fp32.onnx")
    Bundle(
        folder=folder,
        name=folder.name,
        architecture="table",
        labels=labels,
        scheme=None,
        unit=unit,
        max_length=64,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(
            Artifact(
                format="onnx",
                precision="fp32",
                files=file_hashes(folder, ["model.fp32.onnx"]),
            ),
        ),
    ).write_manifest()
    return folder


def subword_scores(subwords: int, labels: int) -> NDArray[np.float32]:
    """What the model says of each subword, whatever stands around it."""
    scores = np.random.default_rng(0).normal(size=(subwords, labels)).astype(np.float32)
    scores[:, 0] += 1.0
    return scores


def _table(subwords: int, labels: int) -> onnx.ModelProto:
    constants = {
        "all": np.array([-1], np.int64),
        "table": subword_scores(subwords, labels),
    }
    nodes = [
        make_node("Reshape", ["input_ids", "all"], ["flat"]),
        make_node("Gather", ["flat", "word_index"], ["words"]),
        make_node("Gather", ["table", "words"], ["word_logits"]),
        make_node("ArgMax", ["word_logits"], ["label_ids"], axis=1, keepdims=0),
        make_node("Softmax", ["word_logits"], ["chances"], axis=1),
        make_node("ReduceMax", ["chances"], ["scores"], axes=[1], keepdims=0),
    ]
    inputs = {"input_ids": ["B", "S"], "attention_mask": ["B", "S"], "word_index": ["W"]}
    graph = make_graph(
        nodes,
        "table",
        [make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in inputs.items()],
        [
            make_tensor_value_info("label_ids", TensorProto.INT64, ["W"]),
            make_tensor_value_info("scores", TensorProto.FLOAT, ["W"]),
            make_tensor_value_info("word_logits", TensorProto.FLOAT, ["W", labels]),
        ],
        [from_array(value, name) for name, value in constants.items()],
    )
    return make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=10)
