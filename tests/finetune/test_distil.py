"""A student learns from what teachers say, with no gold label."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForTokenClassification

from nerx.engine.bundle import Bundle
from nerx.engine.commands.cli import cli
from nerx.engine.errors import ConfigError
from nerx.export.torch_checkpoint import write_checkpoint
from nerx.finetune.data import Corpus
from nerx.finetune.distil import BLOCK, UNKNOWN, soft_targets
from nerx.finetune.recipes import Training, find_recipe
from nerx.finetune.student import cut
from nerx.finetune.teach import load_teachers, log_probabilities

from .test_teach import make_classifier

pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ["--set", "student_layers=1", "--set", "student_width=16", "--no-bf16"]
SMALL += ["--set", "learning_rate=1e-2", "--set", "batch_tokens=128"]
SMALL += ["--set", "hidden_dropout=0.01"]


def nerx(*arguments: str) -> str:
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def teacher(base: Path, entities: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has learned its labels from gold data."""
    folder = str(tmp_path_factory.mktemp("teacher") / "model")
    quick = ["--set", "learning_rate=5e-3", "--set", "epochs=4", "--no-bf16"]
    nerx(
        "finetune", "--base", str(base), "-t", entities[0], "-d", entities[1], "-o", folder, *quick
    )
    return folder


def test_a_student_learns_without_gold_labels(teacher, entities, tmp_path):
    text = tmp_path / "text.txt"
    rows = Path(entities[0]).read_text().split("\n\n")[1:]
    text.write_text("\n".join(" ".join(re.findall(r"^\S+", row, re.M)) for row in rows))
    student = tmp_path / "student"
    nerx(
        "finetune", "distil", "--teacher", teacher, "--text", str(text), "-o", str(student), *SMALL
    )
    config = json.loads((student / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (1, 16)
    assert (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) == (0.01, 0.0)
    report = json.loads((student / "metrics.json").read_text())
    assert report["dev"]["f1"] > 0.8  # of what the teacher says of the text's end
    assert set(report["hyperparameters"]["labels"]) == {"O", "B-LOC", "I-LOC", "B-PER", "I-PER"}


def test_teachers_of_other_labels_are_refused(teacher, segmented, tmp_path):
    other = make_classifier(tmp_path / "other", ("B", "I"), 1)
    teachers = ["--teacher", teacher, "--teacher", other, "--text", segmented[0]]
    failed = CliRunner().invoke(cli, ["finetune", "distil", *teachers, "-o", str(tmp_path / "out")])
    assert isinstance(failed.exception, ConfigError)
    assert re.search("other labels B, I, but .*model O, B-LOC", str(failed.exception))


def test_a_bundle_says_through_the_engine_what_its_checkpoint_says(tmp_path):
    """Of every word, in the order of the text: the one computes in int8, the other in fp32."""
    write_checkpoint(Bundle.load("en-fast"), tmp_path)
    [teacher] = load_teachers([str(tmp_path)])
    text = (EXAMPLES / "news.jsonl").read_text().splitlines()
    sentences = [json.loads(line)["text"].split() for line in text] * 30
    sentences += [[word] for words in sentences for word in words]  # more than one block
    assert len(sentences) > BLOCK
    corpus = Corpus.empty()
    corpus.add("text", [[(words, [UNKNOWN] * len(words)) for words in sentences]])
    expected = np.exp(log_probabilities(*teacher, corpus))
    found = soft_targets(taught_by("en-fast", tmp_path), [teacher], corpus)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 0.01
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.98


def test_a_bundle_is_distilled(tmp_path):
    """From its folder to a student that is a checkpoint with the bundle's labels."""
    text = tmp_path / "text.txt"
    lines = (EXAMPLES / "news.jsonl").read_text().splitlines()
    text.write_text("\n".join(json.loads(line)["text"] for line in lines))
    student = tmp_path / "student"
    sizes = ["--set", "student_layers=1", "--set", "student_width=64", "--max-steps", "2"]
    bundle = str(Bundle.load("en-fast").folder)
    nerx(
        *("finetune", "distil", "--teacher", bundle, "--text", str(text), "-o", str(student)),
        *(*sizes, "--no-bf16"),
    )
    model = AutoModelForTokenClassification.from_pretrained(student)
    assert tuple(model.config.id2label.values()) == Bundle.load("en-fast").labels
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (1, 64)


def taught_by(bundle: str, folder: Path) -> Training:
    recipe = find_recipe("distil")
    return Training(
        recipe=recipe, train=(), dev=(), base=None, output=folder, teachers={bundle: str(folder)}
    )


def test_nothing_left_out_is_the_teacher_itself(teacher):
    """A student of its teacher's size says what it says; a smaller one has the sizes asked for."""
    model = AutoModelForTokenClassification.from_pretrained(teacher).eval()
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        expected = model(ids).logits
        whole = cut(model, 2, 32, None, "eager").eval()
        assert torch.allclose(whole(ids).logits, expected, atol=1e-5)
    small = cut(model, 1, 16, 20, "eager")
    assert small.get_input_embeddings().weight.shape[1] == 16
    assert (small.config.num_attention_heads, small.config.intermediate_size) == (1, 20)


@pytest.mark.parametrize(("layers", "width"), [(3, 32), (1, 64), (1, 24)])
def test_a_student_must_fit_into_its_teacher(teacher, layers, width):
    model = AutoModelForTokenClassification.from_pretrained(teacher)
    with pytest.raises(ConfigError, match="at most 2 layers, and a multiple of 16 up to 32"):
        cut(model, layers, width, None, "eager")
