"""Bundles of bert-base and albert-base with seeded random weights, for their speed.

    python -m nerx.benchmarks.random_bundles FOLDER

The published fine-tuned weights need a network; speed does not depend on the weights. The labels of
random weights mean nothing, and int8 changes many of them, so these bundles pass no
parity gate and are for `nerx bench -m FOLDER/bert-base` alone. Both use the vocabulary of
bert-base-uncased, from `$NERX_SHARED/data/vocab` (`../shared` by default).
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import onnx
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import (
    AlbertConfig,
    AlbertForTokenClassification,
    BertConfig,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
)

from ..engine.bundle import Artifact, Bundle, file_hashes
from ..export.batches import engine_batches
from ..export.checkpoint import load_checkpoint
from ..export.onnx import to_onnx
from ..export.quantize import quantize
from ..export.sample import read_sample

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("NERX_SHARED", ROOT.parent / "shared"), "data")
TEXT = ROOT / "export" / "samples" / "war_and_peace.txt"
LABELS = ("O", *(f"{role}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for role in "BI"))
BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
CALIBRATION = {"documents": 100, "tokens": 500}


def classifier(name: str, vocabulary: int) -> Any:
    """A model of the published size with random weights."""
    torch.manual_seed(42)
    options = BASE | {
        "vocab_size": vocabulary,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: number for number, label in enumerate(LABELS)},
    }
    if name == "bert-base":
        return BertForTokenClassification(BertConfig(**options))
    return AlbertForTokenClassification(AlbertConfig(**options, pad_token_id=0))


def write_checkpoint(name: str, folder: Path) -> None:
    """A Hugging Face folder."""
    tokenizer = BertWordPieceTokenizer(
        str(SHARED / "vocab" / "bert-base-uncased.vocab.txt"), lowercase=True
    )
    classifier(name, tokenizer.get_vocab_size()).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,
        model_max_length=512,
        **{f"{role}_token": f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep")},
    ).save_pretrained(folder)


def write_bundle(name: str, checkpoint_folder: Path, folder: Path) -> None:
    """fp32 and int8 of a checkpoint, as `nerx export` makes them, but not compared."""
    checkpoint = load_checkpoint(str(checkpoint_folder))
    folder.mkdir()
    checkpoint.tokenizer.save(str(folder / "tokenizer.json"))
    bundle = Bundle(
        folder=folder,
        name=f"{name}-random",
        architecture=checkpoint.model.config.model_type,
        labels=checkpoint.labels,
        scheme="iob2",
        unit="words",
        max_length=512,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(),
    )
    sample = read_sample(str(TEXT), "words").head(CALIBRATION["documents"])
    feeds = [
        {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "word_index": batch.word_index,
        }
        for batch, _ in engine_batches(bundle, sample, CALIBRATION["tokens"])
    ]
    graph = to_onnx(checkpoint)
    artifacts = []
    for precision in ("fp32", "int8"):
        file = f"model.{precision}.onnx"
        onnx.save(graph if precision == "fp32" else quantize(graph, feeds), folder / file)
        hashes = file_hashes(folder, [file])
        artifacts.append(Artifact(format="onnx", precision=precision, files=hashes))
    replace(bundle, artifacts=tuple(artifacts)).write_manifest()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("bert-base", "albert-base"):
        checkpoint = folder / f"{name}-checkpoint"
        write_checkpoint(name, checkpoint)
        write_bundle(name, checkpoint, folder / name)
        click.echo(f"nerx bench -m {folder / name} --checkpoint {checkpoint}")


if __name__ == "__main__":
    main()
