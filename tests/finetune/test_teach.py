"""Models that label together."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedTokenizerFast

from nerx.engine.errors import ConfigError, InputError
from nerx.finetune.teach import command, label_together

from .conftest import make_base

TEXT = ["我爱北京", "", "北京 爱我我", "京"]


def make_classifier(folder: Path, labels: tuple[str, ...], seed: int) -> str:
    make_base(folder)
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    model = AutoModelForTokenClassification.from_pretrained(folder, config=config)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 1)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("teachers")
    return [make_classifier(folder / str(seed), ("B", "I"), seed) for seed in range(3)]


def log_probabilities(folder: str, characters: str) -> torch.Tensor:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    inputs = tokenizer(list(characters), is_split_into_words=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        return model(**inputs).logits[0, 1:-1].log_softmax(-1)


def test_the_mean_of_their_log_probabilities_decides(segmenters: list[str]) -> None:
    alone = [label_together([folder], TEXT) for folder in segmenters]
    together = label_together(segmenters, TEXT)
    assert len({tuple(lines) for lines in alone}) > 1  # they do not agree by themselves
    texts = [re.sub(r"\s", "", line) for line in TEXT if line]
    assert [line.replace(" ", "") for line in together] == texts
    for text, line in zip(texts, together, strict=True):
        mean = sum(log_probabilities(folder, text) for folder in segmenters) / len(segmenters)
        begins = [True, *(mean.argmax(-1) == 0).tolist()[1:]]
        expected = "".join(" " * b + c for b, c in zip(begins, text, strict=True)).strip()
        assert line == expected


def test_entities_come_out_as_legal_rows(tmp_path: Path) -> None:
    labels = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    folder = make_classifier(tmp_path / "model", labels, 7)
    (tmp_path / "text").write_text("Paris in the Berlin\n\nMr Jordan walks .\n" * 3)
    words = [folder, "--text", str(tmp_path / "text"), "-o", str(tmp_path / "silver.conll")]
    assert CliRunner().invoke(command, words, catch_exceptions=False).exit_code == 0
    sentences = (tmp_path / "silver.conll").read_text().strip().split("\n\n")
    assert len(sentences) == 6
    for sentence in sentences:
        tags = [row.split()[1] for row in sentence.splitlines()]
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_what_cannot_be_used_is_named(segmenters: list[str], tmp_path: Path) -> None:
    other = make_classifier(tmp_path / "other", ("B", "I", "O"), 1)
    with pytest.raises(ConfigError, match=r"labels B, I, O, but .* B, I"):
        label_together([segmenters[0], other], TEXT)
    with pytest.raises(ConfigError, match="holds no token classifier"):
        label_together([str(tmp_path)], TEXT)
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(InputError, match="no sentence found"):
        CliRunner().invoke(
            command,
            [segmenters[0], "--text", str(tmp_path / "empty"), "-o", str(tmp_path / "out")],
            catch_exceptions=False,
        )
