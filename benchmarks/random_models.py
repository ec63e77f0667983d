"""Bundles of the usual sizes with seeded random weights, for their speed.

    python -m nerx.benchmarks.random_models FOLDER

The published fine-tuned weights need a network. Speed does not depend on them, but on how much
there is to write and how often labels are illegal: the classifier's bias sees to it that one word
in nine begins an entity and few stand within one, as in newswire. Which words they are means
nothing, and int8 changes many, so these bundles pass no parity gate and are for `nerx bench -m
FOLDER/bert-base` alone. English has the vocabulary of bert-base-uncased where
`$NERX_SHARED/data/vocab` (`../shared` by default) holds it; else one is made of the samples.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoConfig, AutoModelForTokenClassification

from ..engine.backends.torch.weights import save_weights
from ..engine.bundle import Artifact, Bundle, file_hashes
from ..export.sample import SAMPLES, Sample, builtin_sample, sample_for
from .places import SHARED

VOCABULARY = SHARED / "vocab" / "bert-base-uncased.vocab.txt"
NER = ("O", *(f"{role}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for role in "BI"))

_BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
_TOY = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
_TOY |= {"num_hidden_layers": 2}
_CALIBRATION_DOCUMENTS, _CALIBRATION_TOKENS = 100, 500
_SHARES = {"B": 1 / 9, "I": 1 / 2500}  # of words; an I without its B in one sentence of a hundred
_SEEN = (64, 128)  # subwords of the sample that tell how the bias must be


@dataclass(frozen=True, slots=True)
class Size:
    """A published model without its weights."""

    architecture: str
    vocabulary: int
    unit: str
    labels: tuple[str, ...]


SIZES = {
    "bert-base": Size("bert", 30522, "words", NER),
    "albert-base": Size("albert", 30000, "words", NER),
    "bert-base-chinese": Size("bert", 21128, "characters", ("B", "I")),
}


def random_config(name: str, *, toy: bool = False) -> Any:
    """What transformers makes a model of one of the `SIZES` from."""
    size = SIZES[name]
    return AutoConfig.for_model(
        size.architecture,
        **(_TOY if toy else _BASE),
        vocab_size=max(size.vocabulary, make_tokenizer(size.unit).get_vocab_size()),
        id2label=dict(enumerate(size.labels)),
        label2id={label: number for number, label in enumerate(size.labels)},
    )


def make_tokenizer(unit: str) -> Tokenizer:
    """WordPiece, lower case."""
    if unit == "words" and VOCABULARY.is_file():
        vocabulary: Any = str(VOCABULARY)
    else:
        trained = BertWordPieceTokenizer(lowercase=True)
        texts = (path.read_text("utf-8") for path in sorted(SAMPLES.glob("*.txt")))
        trained.train_from_iterator(texts, vocab_size=20_000, show_progress=False)
        vocabulary = trained.get_vocab()
    return Tokenizer.from_str(BertWordPieceTokenizer(vocabulary, lowercase=True).to_str())


def write_bundle(name: str, folder: Path, *, toy: bool = False) -> Bundle:
    """A bundle of one of the `SIZES` that the torch backend runs."""
    folder.mkdir(parents=True)
    size, config = SIZES[name], random_config(name, toy=toy)
    torch.manual_seed(42)
    model = AutoModelForTokenClassification.from_config(config)
    tokenizer = make_tokenizer(size.unit)
    set_bias(model, size.labels, builtin_sample(tokenizer, size.unit), tokenizer)
    save_weights(folder / "model.safetensors", config.to_dict(), model.state_dict())
    tokenizer.save(str(folder / "tokenizer.json"))
    files = file_hashes(folder, ["model.safetensors"])
    Bundle(
        folder=folder,
        name=f"{name}-{'toy' if toy else 'random'}",
        architecture=size.architecture,
        labels=size.labels,
        scheme=None,
        unit=size.unit,
        max_length=512,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(Artifact(format="safetensors", precision="fp32", files=files),),
    ).write_manifest()
    return Bundle.load(folder)


def set_bias(model: Any, labels: Sequence[str], sample: Sample, tokenizer: Tokenizer) -> None:
    """Shifts the bias of B- and I- labels until they are as frequent as `_SHARES` says."""
    rows, length = _SEEN
    encoded = tokenizer.encode_batch(sample.words, is_pretokenized=True)
    ids = torch.tensor([number for row in encoded for number in row.ids][: rows * length])
    with torch.inference_mode():
        logits = model.eval()(ids[: len(ids) // length * length].view(-1, length)).logits
        for role, share in _SHARES.items():
            these = [n for n, label in enumerate(labels) if n and label.startswith(role)]
            if these:
                missing = logits[..., 0] - logits[..., these].amax(-1)
                model.classifier.bias[these] += missing.flatten().quantile(share)


def add_graphs(bundle: Bundle) -> None:
    """Adds fp32 and int8 in ONNX, as `nerx export` makes them, but not compared."""
    from ..export.batches import feeds
    from ..export.build import add_graph
    from ..export.checkpoint import load_checkpoint
    from ..export.onnx import to_onnx
    from ..export.quantize import quantize
    from ..export.torch_checkpoint import write_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(bundle, Path(folder))
        checkpoint = load_checkpoint(folder)
    graph = to_onnx(checkpoint)
    sample = sample_for(bundle).head(_CALIBRATION_DOCUMENTS)
    int8 = quantize(graph, feeds(bundle, sample, _CALIBRATION_TOKENS))
    add_graph(add_graph(bundle, graph, "fp32"), int8, "int8").write_manifest()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Makes bert-base and albert-base, for all runtimes."""
    for name in ("bert-base", "albert-base"):
        add_graphs(write_bundle(name, folder / name))
        click.echo(f"nerx bench -m {folder / name}")


if __name__ == "__main__":
    main()
