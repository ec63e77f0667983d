"""Small classifiers of several architectures that label words by what they are, on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from ..engine.tokenizers_for_tests import wordpiece

WORDS = {
    "Paris": "B-LOC", "Berlin": "B-LOC", "Rhine": "B-LOC", "city": "I-LOC", "valley": "I-LOC",
    "Ada": "B-PER", "Alan": "B-PER", "Grace": "B-PER", "Turing": "I-PER", "Hopper": "I-PER",
    "saw": "O", "went": "O", "to": "O", "the": "O", "a": "O", "and": "O", "by": "O", ".": "O",
}  # fmt: skip
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
SIZES = {
    "vocab_size": 400,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
}
OPTIONS = {  # where an architecture's configuration has names or needs of its own
    "albert": {"embedding_size": 32, "hidden_act": "gelu_new"},
    "distilbert": {"dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4},
    "electra": {"embedding_size": 32},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "max_relative_positions": 32,
        "type_vocab_size": 0,
    },
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16, "sep_token_id": 3},
}


def sentences(seed: int, count: int) -> list[list[str]]:
    random = np.random.default_rng(seed)
    known = list(WORDS)
    return [
        [known[i] for i in random.integers(0, len(known), n)] for n in random.integers(1, 25, count)
    ]


def write_gold(path: Path, seed: int, count: int) -> Path:
    rows = ["".join(f"{word} {WORDS[word]}\n" for word in row) for row in sentences(seed, count)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def make_checkpoint(folder: Path, kind: str, **changes: object) -> Path:
    """A random encoder under a classifier fitted by least squares, so that labels are clear."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from nerx.export.checkpoint import without_scripts

    torch.manual_seed(5)
    sizes = SIZES if kind != "distilbert" else {"vocab_size": 400, "max_position_embeddings": 66}
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {k: i for i, k in enumerate(LABELS)}}
    config = transformers.AutoConfig.for_model(
        kind, **(sizes | OPTIONS.get(kind, {}) | {"pad_token_id": 0} | names | changes)
    )
    with without_scripts():
        model = transformers.AutoModelForTokenClassification.from_config(config).eval()
    tokenizer = wordpiece(tuple(word.lower() for word in WORDS))
    rows = sentences(1, 100)
    encodings = [tokenizer.encode(row, is_pretokenized=True) for row in rows]
    inputs: list = []
    targets: list = []
    model.classifier.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    with torch.inference_mode():
        model.get_input_embeddings().weight *= 20.0  # what a word is outweighs where it stands
        for row, encoding in zip(rows, encodings, strict=True):
            model(input_ids=torch.tensor([encoding.ids]))
            first = [encoding.word_ids.index(word) for word in range(len(row))]
            inputs[-1] = inputs[-1][0, first]
            targets += [LABELS.index(WORDS[word]) for word in row]
        hidden = torch.cat(inputs)
        hidden = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1)
        wanted = 10.0 * torch.nn.functional.one_hot(torch.tensor(targets), len(LABELS)).float()
        damping = 0.01 * len(hidden) * torch.eye(hidden.shape[1])  # against brittle weights
        solved = torch.linalg.solve(hidden.T @ hidden + damping, hidden.T @ wanted)
        model.classifier.weight.copy_(solved[:-1].T)
        model.classifier.bias.copy_(solved[-1])
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def save_tokenizer(tokenizer: object, folder: Path, **options: object) -> None:
    """Writes a tokenizer as transformers does, under the class that changes nothing in it."""
    transformers = pytest.importorskip("transformers")
    names = ["input_ids", "attention_mask"]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=names, **options
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("gold") / "gold.conll", seed=7, count=120)


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("gold") / "calibration.conll", seed=8, count=200)


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps compiled models out of the user's own cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
