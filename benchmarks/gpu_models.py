"""The two reference architectures with random weights, real texts, and what both give together."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AlbertForTokenClassification,
    BertConfig,
    BertForTokenClassification,
)

from ..engine.backends.torch.weights import save_weights
from ..engine.bundle import Artifact, Bundle, file_hashes
from ..engine.inference.batching import build_batch, plan_batches, window_lengths
from ..engine.model import open_encoder
from ..engine.types import Batch, Record

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "export" / "samples"

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
_SMALL = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
_SMALL |= {"num_hidden_layers": 2}


@dataclass(frozen=True, slots=True)
class Reference:
    """A model to measure.

    name: what stands in the results
    unit: "characters" or "words"
    labels: of the reference model
    text: a document a line
    """

    name: str
    unit: str
    labels: tuple[str, ...]
    text: Path


REFERENCES = {
    "bert": Reference("bert-base-chinese", "characters", ("B", "I"), SAMPLES / "gsd_dev.txt"),
    "albert": Reference(
        "albert-base",
        "words",
        ("O", *(f"{a}-{b}" for b in ("PER", "ORG", "LOC", "MISC") for a in "BI")),
        SAMPLES / "war_and_peace.txt",
    ),
}


def random_model(kind: str, labels: int, *, small: bool) -> Any:
    """A seeded classifier as transformers makes it; base size, or a toy."""
    torch.manual_seed(0)
    sizes = {**(_SMALL if small else _BASE), "num_labels": labels}
    if kind == "bert":
        model = BertForTokenClassification(BertConfig(**sizes, vocab_size=21128))
    else:
        sizes |= {"embedding_size": 32 if small else 128, "vocab_size": 30000}
        model = AlbertForTokenClassification(AlbertConfig(**sizes))
    return model.eval()


def documents(reference: Reference) -> list[str]:
    """Texts as they are: segmented ones joined."""
    lines = [line for line in reference.text.read_text("utf-8").splitlines() if line.strip()]
    return [line.replace(" ", "") for line in lines] if reference.unit == "characters" else lines


def tokenizer_of(reference: Reference, texts: Sequence[str]) -> Tokenizer:
    """A WordPiece tokenizer made of the texts: published vocabularies are not at hand."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    size = 20000 if reference.unit == "characters" else 4000
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=_SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ids)
    return tokenizer


def write_bundle(
    folder: Path, reference: Reference, model: Any, texts: Sequence[str], half: bool
) -> Bundle:
    """The model as `nerx tag -m FOLDER` takes it."""
    folder.mkdir(parents=True)
    tokenizer_of(reference, texts).save(str(folder / "tokenizer.json"))
    weights = model.state_dict()
    if half:
        weights = {name: weight.half() for name, weight in weights.items()}
    save_weights(folder / "model.safetensors", model.config.to_dict(), weights)
    files = file_hashes(folder, ["model.safetensors"])
    Bundle(
        folder=folder,
        name=reference.name,
        architecture=model.config.model_type,
        labels=reference.labels,
        scheme=None,
        unit=reference.unit,
        max_length=512,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(
            Artifact(format="safetensors", precision="fp16" if half else "fp32", files=files),
        ),
    ).write_manifest()
    return Bundle.load(folder)


def repeated(bundle: Bundle, texts: list[str], subwords: int) -> list[str]:
    """The texts again and again, until they have so many subwords."""
    encoder = open_encoder(bundle, 0)
    records = [Record(b"", 1, 0, text=text) for text in texts]
    once = int(window_lengths(encoder.encode(records), encoder.special).sum())
    return texts * max(1, round(subwords / once))


def batches(
    bundle: Bundle, texts: Sequence[str], max_tokens: int, *, order: str = "length"
) -> Iterator[Batch]:
    """Batches of a budget of padded subwords, as the engine makes them.

    order: "length", or "given" for the order of the texts, which is what a plain loop does
    """
    encoder = open_encoder(bundle, 0)
    encoded = encoder.encode([Record(b"", 1, 0, text=text) for text in texts])
    lengths = window_lengths(encoded, encoder.special)
    if order == "length":
        plan = [list(rows) for rows in plan_batches(lengths, max_tokens)]
    else:
        plan = [[]]
        longest = 0
        for row, length in enumerate(lengths.tolist()):
            longest = max(longest, length)
            if longest * (len(plan[-1]) + 1) > max_tokens:
                plan.append([])
                longest = length
            plan[-1].append(row)
    for rows in plan:
        yield build_batch(encoded, _ints(rows), encoder.special, every_subword=False)[0]


def write_jsonl(path: Path, texts: Sequence[str]) -> None:
    """A corpus as `nerx tag` reads it."""
    with path.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def operations(model: Any, lengths: Sequence[int]) -> float:
    """Multiplications and additions of a forward pass without padding, classifier left out."""
    config = model.config
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linear = layers * (4 * width * width + 2 * width * inner)
    if config.model_type == "albert":
        linear += config.embedding_size * width
    squares = sum(length * length for length in lengths)
    return 2.0 * linear * sum(lengths) + 4.0 * layers * width * squares


def _ints(rows: list[int]) -> Any:
    import numpy as np

    return np.array(rows, np.int32)
