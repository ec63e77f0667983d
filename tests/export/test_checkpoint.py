"""What cannot be exported is refused with a reason, before anything is run."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from nerx.engine.errors import BundleError, ConfigError
from nerx.export.checkpoint import load_checkpoint

from .conftest import LABELS, edit_config


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bert_folder, tmp_path / "model")


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_checkpoint(str(folder))
    return str(caught.value)


def test_a_classifier_is_read(folder: Path) -> None:
    checkpoint = load_checkpoint(str(folder))
    assert (checkpoint.labels, checkpoint.max_length, checkpoint.pad_id) == (LABELS, 66, 0)
    assert (checkpoint.name, checkpoint.source, checkpoint.revision) == ("model", "model", "")


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    assert "is no folder" in refusal(tmp_path / "nowhere")
    assert "holds no config.json" in refusal(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert "is no model configuration" in refusal(tmp_path)


def test_other_heads(folder: Path) -> None:
    edit_config(folder, architectures=["BertForSequenceClassification"])
    assert "expected a token classifier such as BertForTokenClassification" in refusal(folder)
    edit_config(folder, architectures=None)
    assert "holds nothing; expected a token classifier" in refusal(folder)


def test_a_model_that_brings_code(folder: Path) -> None:
    edit_config(folder, auto_map={"AutoModel": "modeling.Evil"})
    assert "brings its own Python code" in refusal(folder)


def test_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "reads no pickles" in refusal(folder)


def test_damaged_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(folder)


def test_tokenizers_that_cannot_be_used(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({"model": "none"}))
    assert "holds no tokenizer that can be loaded" in refusal(folder)
    (folder / "tokenizer.json").unlink()
    assert "holds no tokenizer that can be loaded" in refusal(folder)


def test_a_model_on_the_hub_has_a_commit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []
    commit = "0123456789abcdef0123456789abcdef01234567"

    def give(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert not {"*.bin", "*.py", "*"} & set(allow_patterns)
        return str(shutil.copytree(folder, folder.parent / commit, dirs_exist_ok=True))

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    for revision in (None, "v1"):
        checkpoint = load_checkpoint("org/model", revision)
        assert (checkpoint.source, checkpoint.revision) == ("org/model", commit)
        assert checkpoint.name == "model"
    assert asked == [("org/model", None), ("org/model", "v1")]
    with pytest.raises(ConfigError, match="only models on the hub have a --revision"):
        load_checkpoint(str(folder), "v1")


def test_the_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str, **__: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(BundleError, match=r"org/model at revision v1 .* did not give it: no route"):
        load_checkpoint("org/model", "v1")
