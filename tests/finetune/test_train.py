import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from transformers import AutoModelForTokenClassification, AutoTokenizer, Trainer

from nerx.engine.errors import BackendError, ConfigError, InputError
from nerx.finetune.data import read_corpus
from nerx.finetune.recipes import Training, find_recipe, override
from nerx.finetune.train import finetune, last_checkpoint

from .conftest import make_base

# The Trainer takes checkpoints less than a second apart for a broken clock.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable")

QUICK = {"learning_rate": "5e-3", "train_batch_size": "8", "epochs": "3", "bf16": "false"}
QUICK |= {"batch_tokens": "none", "views": "0", "eval_steps": "none"}
BUILT_IN = QUICK | {
    "eval_steps": "10",
    "word_dropout": "0.1",
    "adversarial_step": "1",
    "batch_tokens": "64",
    "views": "1",
}  # 10 of 13 steps: within an epoch


def run_of(recipe, data, base, output, overrides=QUICK, **options):
    return Training(
        recipe=override(find_recipe(recipe), overrides),
        train=(data[0],),
        dev=(data[1],),
        base=str(base),
        output=output,
        overrides=overrides,
        **options,
    )


def labels_by_transformers(folder, sentences):
    """One sentence at a time, the first subword of each word, as Hugging Face's examples do."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for words in sentences:
        encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            ids = model(**encoding).logits[0].argmax(-1).tolist()
        first = [encoding.word_ids().index(word) for word in range(len(words))]
        yield [model.config.id2label[ids[at]] for at in first]


@pytest.mark.filterwarnings("ignore::UserWarning:seqeval")
@pytest.mark.parametrize(
    ("recipe", "data"), [("albert-conll2003", "entities"), ("bert-chinese-ws", "segmented")]
)
def test_a_run_ends_in_a_folder_whose_scores_seqeval_confirms(
    recipe, data, base, tmp_path, request
):
    data = request.getfixturevalue(data)
    report = finetune(run_of(recipe, data, base, tmp_path / "out"))
    folder = tmp_path / "out"
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(report))
    assert not any(path.suffix in (".bin", ".pt", ".pth") for path in folder.iterdir())
    assert list(tmp_path.iterdir()) == [folder]  # no checkpoints left behind

    labels = find_recipe(recipe).labels
    corpus = read_corpus([data[1]], "dev", labels)
    gold = [[labels[number] for number in sentence] for sentence in corpus.labels]
    predicted = list(labels_by_transformers(folder, corpus.words))
    scores = (precision_score, recall_score, f1_score, accuracy_score)
    for name, score in zip(("precision", "recall", "f1", "accuracy"), scores, strict=True):
        assert report["dev"][name] == pytest.approx(score(gold, predicted))
    assert report["dev"]["f1"] > 0.5  # it has learned, so the predictions are real ones


def test_the_card_tells_the_run(base, entities, tmp_path):
    finetune(run_of("albert-conll2003", entities, base, tmp_path / "out"))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    (f1,) = (r for r in card.data.eval_results if r.metric_type == "f1")
    assert f1.metric_value == round(report["dev"]["f1"], 4)
    assert f"- learning_rate: {5e-3}" in card.text
    assert "`train_batch_size=8`" in card.text
    evaluations = [row for row in report["history"] if "eval_f1" in row]
    assert [row["step"] for row in evaluations] == [13, 26, 39]
    for row in evaluations:
        assert f"| {row['epoch']:.2f} | {row['step']} | {row['eval_loss']:.4f} |" in card.text
    assert f"| f1 | {100 * report['dev']['f1']:.2f} | 93.38 |" in card.text
    assert "| step | 39 | 5268 | -5229 |" in card.text
    assert report["data"]["train"][0]["sha256"] in card.text
    assert (tmp_path / "out" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_loss_falls_and_the_best_checkpoint_is_kept(base, entities, tmp_path):
    report = finetune(run_of("nerx-en", entities, base, tmp_path / "out", BUILT_IN))
    evaluations = [row for row in report["history"] if "eval_f1" in row]
    assert evaluations[-1]["eval_loss"] < evaluations[0]["eval_loss"]
    best = max(row["eval_f1"] for row in evaluations)
    assert report["dev"]["f1"] == pytest.approx(best)
    assert report["kept_step"] in [row["step"] for row in evaluations if row["eval_f1"] == best]


def test_long_sentences_are_trained_and_scored_whole(entities, tmp_path):
    base = make_base(tmp_path / "base", max_position_embeddings=9)
    report = finetune(run_of("nerx-en", entities, base, tmp_path / "out", max_steps=2))
    corpus = read_corpus([entities[1]], "dev", find_recipe("nerx-en").labels)
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert any(len(tokenizer(s, is_split_into_words=True)["input_ids"]) > 9 for s in corpus.words)
    gold_spans = sum(scores["spans"] for scores in report["dev_by_type"].values())
    begun = sum(label % 2 for sentence in corpus.labels for label in sentence)  # B- are odd
    assert gold_spans == begun


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["nerx-en", "albert-conll2003"])
def test_a_killed_run_goes_on_to_the_same_model(recipe, base, entities, tmp_path):
    whole = run_of(recipe, entities, base, tmp_path / "whole", BUILT_IN)
    killed = run_of(recipe, entities, base, tmp_path / "killed", BUILT_IN)
    command = ["finetune", recipe, "-t", entities[0], "-d", entities[1], "--base", str(base)]
    command += ["-o", str(killed.output), *(f"--set={k}={v}" for k, v in BUILT_IN.items())]
    process = subprocess.Popen(
        [sys.executable, "-c", "from nerx.engine.commands.cli import main; main()", *command],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    while process.poll() is None and not last_checkpoint(killed.work / "checkpoints"):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not killed.output.exists()

    resumed, unbroken = finetune(killed), finetune(whole)
    assert (resumed["resumed"], unbroken["resumed"]) == (True, False)
    assert resumed["dev"] == unbroken["dev"]
    for name, tensor in load_file(whole.output / "model.safetensors").items():
        assert torch.equal(tensor, load_file(killed.output / "model.safetensors")[name]), name


def test_a_run_killed_after_its_last_step_only_finishes(base, entities, tmp_path, monkeypatch):
    run = run_of("nerx-en", entities, base, tmp_path / "out", BUILT_IN)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nerx.finetune.train.evaluate_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            finetune(run)
    assert not run.output.exists()
    finished = finetune(run)
    unbroken = finetune(run_of("nerx-en", entities, base, tmp_path / "whole", BUILT_IN))
    assert finished["dev"] == unbroken["dev"]
    assert finished["steps"] == unbroken["steps"]


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    for step, state in ((8, '{"global_step": 8}'), (24, '{"global_'), (16, '{"global_step": 16}')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-32").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-16"
    assert last_checkpoint(tmp_path / "none") is None


def stop_after(run, step, monkeypatch):
    """Runs until a step fails, as it would when memory or disk run out."""
    training_step = Trainer.training_step

    def failing(self, *args, **options):
        if self.state.global_step == step:
            raise RuntimeError("out of memory")
        return training_step(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "training_step", failing)
        with pytest.raises(BackendError, match=f"step {step}: out of memory"):
            finetune(run)


def test_a_stopped_run_is_not_mixed_with_another(base, entities, tmp_path, monkeypatch):
    stop_after(run_of("nerx-en", entities, base, tmp_path / "out"), 14, monkeypatch)
    assert not (tmp_path / "out").exists()
    other = run_of("nerx-en", entities, base, tmp_path / "out", QUICK | {"learning_rate": "1e-3"})
    with pytest.raises(ConfigError, match=r"other learning_rate.*--force"):
        finetune(other)
    assert finetune(other, force=True)["resumed"] is False


def test_an_output_is_replaced_only_by_force(base, entities, tmp_path):
    run = run_of("nerx-en", entities, base, tmp_path / "out", max_steps=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(ConfigError, match=r"exists.*--force"):
        finetune(run)
    with pytest.raises(ConfigError, match="not made by nerx finetune"):
        finetune(run, force=True)
    assert (tmp_path / "out" / "precious").exists()
    (tmp_path / "out").rename(tmp_path / "kept")
    finetune(run)
    (tmp_path / "out" / "old").touch()
    finetune(run, force=True)
    assert not (tmp_path / "out" / "old").exists()


def test_labels_are_those_of_the_data_where_no_recipe_has_any(base, segmented, tmp_path):
    train, dev = tmp_path / "train.conll", tmp_path / "dev.conll"
    train.write_text("Paris I-place\n. O\n\nMr I-who\nJordan I-who\nwalks O\n" * 8)
    dev.write_text("Berlin I-place\n. O\n")
    report = finetune(run_of("own", (str(train), str(dev)), base, tmp_path / "out", max_steps=1))
    labels = ("O", "B-place", "I-place", "B-who", "I-who")
    assert tuple(report["hyperparameters"]["labels"]) == labels
    with pytest.raises(InputError, match="place"):  # a published recipe stays strict
        finetune(run_of("albert-conll2003", (str(train), str(dev)), base, tmp_path / "strict"))
    report = finetune(run_of("own", segmented, base, tmp_path / "words", max_steps=1))
    assert (tuple(report["hyperparameters"]["labels"]), report["task"]) == (
        ("B", "I"),
        "segmentation",
    )


@pytest.mark.parametrize("able", [True, False])
def test_bfloat16_is_used_where_the_hardware_multiplies_in_it(
    able, base, entities, tmp_path, monkeypatch
):
    monkeypatch.setattr("nerx.finetune.train.multiplies_bf16", lambda: able)
    settings = {"epochs": "1"}
    run = run_of("nerx-en", entities, base, tmp_path / "out", settings, max_steps=1)
    assert finetune(run)["hyperparameters"]["bf16"] is able


def test_pickled_weights_are_not_read(entities, tmp_path):
    base = make_base(tmp_path / "base")
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="cannot load the base model"):
        finetune(run_of("nerx-en", entities, base, tmp_path / "out"))


def test_a_loss_that_is_no_number_stops_the_run(base, entities, tmp_path):
    run = run_of("nerx-en", entities, base, tmp_path / "out", QUICK | {"learning_rate": "1e30"})
    with pytest.raises(BackendError, match=r"the loss is (nan|inf) at step \d+; .*learning_rate"):
        finetune(run)
    assert not (tmp_path / "out").exists()


def test_a_disk_too_small_is_refused_before_the_first_step(base, entities, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(1000))
    with pytest.raises(ConfigError, match=r"GB free .* checkpoints take"):
        finetune(run_of("nerx-en", entities, base, tmp_path / "out"))


def without_fast_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def with_other_labels(folder):
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForTokenClassification"]
    config["id2label"] = {"0": "B-X", "1": "O"}
    (folder / "config.json").write_text(json.dumps(config))


def without_weights(folder):
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (without_fast_tokenizer, "cannot load the base model.*tokenizer.json"),
        (with_other_labels, "a classifier of B-X, O, but the recipe has O, B-PER"),
        (without_weights, "cannot load the base model"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(harm, message, entities, tmp_path):
    base = make_base(tmp_path / "base")
    harm(base)
    with pytest.raises(ConfigError, match=message):
        finetune(run_of("nerx-en", entities, base, tmp_path / "out"))
    assert not Path(tmp_path / "out").exists()
