"""A tiny random encoder on disk, and corpora small and plain enough to be learned in seconds."""

import json
import random
from pathlib import Path

import pytest

from ..engine.tokenizers_for_tests import KINDS

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)  # models this small wait for each other's threads, above all when busy

WORDS = {
    "Paris": "I-LOC", "Berlin": "I-LOC", "Mr": "I-PER", "Jordan": "I-PER",
    "likes": "O", "the": "O", "in": "O", "walks": "O", ".": "O",
}  # fmt: skip
ZH_WORDS = ("我", "爱", "北京")


def make_base(folder: Path, kind: str = "wordpiece", **changes: object) -> Path:
    torch.manual_seed(1)
    config = transformers.BertConfig(
        **{
            "vocab_size": 300,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "max_position_embeddings": 40,
            **changes,
        }
    )
    transformers.BertModel(config).save_pretrained(folder)
    KINDS[kind]().save(str(folder / "tokenizer.json"))
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    if kind != "wordpiece":
        names = ("<pad>", "<unk>", "<s>", "</s>")
    roles = ("pad_token", "unk_token", "cls_token", "sep_token")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"} | dict(zip(roles, names, strict=True))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def write_entities(path: Path, seed: int, sentences: int) -> Path:
    """IOB1 columns of 2 to 9 words, as CoNLL-2003 has them."""
    draw = random.Random(seed)
    texts = ["-DOCSTART- -X- O O\n"]
    for _ in range(sentences):
        words = draw.choices(list(WORDS), k=draw.randint(2, 9))
        texts.append("".join(f"{word} x {WORDS[word]}\n" for word in words))
    path.write_text("\n".join(texts))
    return path


def write_segmented(path: Path, seed: int, sentences: int) -> Path:
    draw = random.Random(seed)
    lines = (" ".join(draw.choices(ZH_WORDS, k=draw.randint(1, 9))) for _ in range(sentences))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def entities(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("entities")
    return (
        str(write_entities(folder / "train.conll", 1, 100)),
        str(write_entities(folder / "dev.conll", 2, 40)),
    )


@pytest.fixture(scope="session")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("segmented")
    return (
        str(write_segmented(folder / "train.txt", 1, 100)),
        str(write_segmented(folder / "dev.txt", 2, 40)),
    )
