"""A checkpoint given to a command is exported once, and again only when it changes."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("nncf")

from nerx.engine.bundles.find import find_bundle
from nerx.engine.errors import BundleError
from nerx.export import cached
from nerx.export.verify import ParityError

from .conftest import edit_config
from .test_verify import PASSED


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The precisions of each export that was asked for."""
    calls: list[tuple[str, ...]] = []
    export = cached.export_bundle

    def record(source, target, config, say):
        calls.append(config.precisions)
        if "int8" in config.precisions:
            raise ParityError("int8", PASSED, "its labels differ")
        return export(source, target, config, say)

    monkeypatch.setattr(cached, "export_bundle", record)
    return calls


def test_a_checkpoint_is_exported_once(
    bert_folder: Path, tmp_path: Path, exports: list, capsys: pytest.CaptureFixture
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "model")
    bundle = find_bundle(str(folder))
    assert bundle.name == "model"
    assert [artifact.precision for artifact in bundle.artifacts] == ["fp32"]
    assert exports == [("fp32", "int8"), ("fp32",)]  # int8 was refused
    said = capsys.readouterr().err
    assert "exporting" in said
    assert "keeping fp32" in said
    assert find_bundle(str(folder)) == bundle
    assert len(exports) == 2
    edit_config(folder, id2label={i: f"L{i}" for i in range(5)})
    assert find_bundle(str(folder)).labels == ("L0", "L1", "L2", "L3", "L4")
    assert len(exports) == 4


def test_other_models_are_loaded_as_they_are(tmp_path: Path, exports: list) -> None:
    with pytest.raises(BundleError, match="unknown model 'nothing'"):
        find_bundle("nothing")
    with pytest.raises(BundleError, match=r"holds no nerx\.json"):
        find_bundle(str(tmp_path))
    assert exports == []
