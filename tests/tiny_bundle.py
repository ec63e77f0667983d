"""A real bundle in a moment: a table from subwords to labels, in OpenVINO's own format."""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
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
    ov.save_model(_table(tokenizer.get_vocab_size(), len(labels)), folder / "model.fp32.xml", False)
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
                format="openvino",
                precision="fp32",
                files=file_hashes(folder, ["model.fp32.xml", "model.fp32.bin"]),
            ),
        ),
    ).write_manifest()
    return folder


def subword_scores(subwords: int, labels: int) -> NDArray[np.float32]:
    """What the model says of each subword, whatever stands around it."""
    scores = np.random.default_rng(0).normal(size=(subwords, labels)).astype(np.float32)
    scores[:, 0] += 1.0
    return scores


def _table(subwords: int, labels: int) -> ov.Model:
    scores = subword_scores(subwords, labels)
    input_ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    word_index = ops.parameter([-1], np.int64, name="word_index")
    flat = ops.reshape(input_ids, np.array([-1]), special_zero=False)
    words = ops.gather(flat, word_index, np.array(0))
    logits = ops.gather(ops.constant(scores), words, np.array(0))
    best = ops.topk(ops.softmax(logits, 1), np.array(1), 1, "max", "none")
    outputs = {
        "label_ids": ops.reshape(best.output(1), np.array([-1]), special_zero=False),
        "scores": ops.reshape(best.output(0), np.array([-1]), special_zero=False),
        "word_logits": logits,
    }
    for name, node in outputs.items():
        node.output(0).get_tensor().set_names({name})
    for node in (input_ids, mask, word_index):
        node.output(0).get_tensor().set_names({node.get_friendly_name()})
    return ov.Model(list(outputs.values()), [input_ids, mask, word_index], "table")
