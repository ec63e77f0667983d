"""A bundle loads back as it was written, and any change to its files is refused."""

import json
from pathlib import Path

import pytest

from nerx.engine.bundle import Artifact, Bundle, builtin_names, file_hashes
from nerx.engine.errors import BundleError


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.fp32.onnx").write_bytes(b"fp32 weights")
    (tmp_path / "model.int8.onnx").write_bytes(b"int8 graph")
    (tmp_path / "model.int8.bin").write_bytes(b"int8 weights")
    made = Bundle(
        folder=tmp_path,
        name="toy",
        architecture="bert",
        labels=("O", "B-人", "I-人"),
        scheme="iob2",
        unit="words",
        max_length=512,
        pad_id=1,
        tokenizer=file_hashes(tmp_path, ["tokenizer.json"]),
        artifacts=(
            Artifact(
                format="onnx", precision="fp32", files=file_hashes(tmp_path, ["model.fp32.onnx"])
            ),
            Artifact(
                format="onnx",
                precision="int8",
                files=file_hashes(tmp_path, ["model.int8.onnx", "model.int8.bin"]),
                parity={"f1_loss": 0.001},
            ),
        ),
        source={"model": "org/toy", "license": "MIT"},
        card={"f1": 0.9},
    )
    made.write_manifest()
    return made


def edit(bundle: Bundle, **changes: object) -> None:
    manifest = bundle.folder / "nerx.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(values | changes))


def test_what_was_written_is_read(bundle: Bundle) -> None:
    assert Bundle.load(bundle.folder) == bundle
    assert bundle.size_bytes == 2 + 12 + 10 + 12


def test_a_graph_is_found_by_its_precision(bundle: Bundle) -> None:
    assert bundle.artifact().precision == "int8"
    assert bundle.artifact("fp32").file == "model.fp32.onnx"
    assert bundle.find("fp16") is None
    with pytest.raises(BundleError, match=r"no fp16 graph, only fp32 \(onnx\), int8 \(onnx\)"):
        bundle.artifact("fp16")


@pytest.mark.parametrize("name", ["model.int8.onnx", "model.int8.bin", "model.fp32.onnx"])
def test_one_changed_byte_is_refused(bundle: Bundle, name: str) -> None:
    path = bundle.folder / name
    data = bytearray(path.read_bytes())
    artifact = next(item for item in bundle.artifacts if name in item.files)
    assert bundle.artifact_path(artifact) == bundle.folder / artifact.file
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is not the file that was exported"):
        bundle.artifact_path(artifact)


def test_a_changed_tokenizer_is_refused(bundle: Bundle) -> None:
    assert bundle.tokenizer_path() == bundle.folder / "tokenizer.json"
    (bundle.folder / "tokenizer.json").write_text("[]")
    with pytest.raises(BundleError, match=r"tokenizer\.json is not the file that was exported"):
        bundle.tokenizer_path()


def test_a_missing_file_is_named(bundle: Bundle) -> None:
    (bundle.folder / "model.int8.bin").unlink()
    with pytest.raises(BundleError, match=r"model\.int8\.bin is missing"):
        bundle.artifact_path(bundle.artifact())


@pytest.mark.parametrize("name", ["../model", "/etc/hostname", "link"])
def test_files_outside_the_folder_are_refused(bundle: Bundle, name: str) -> None:
    (bundle.folder / "link").symlink_to("/etc/hostname")
    edit(bundle, tokenizer={name: "0" * 64})
    with pytest.raises(BundleError, match="outside its own folder"):
        Bundle.load(bundle.folder).tokenizer_path()


def test_the_digest_follows_every_change(bundle: Bundle) -> None:
    before = bundle.digest
    edit(bundle, tokenizer={"tokenizer.json": "0" * 64})
    assert bundle.digest != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "bundle of schema 99; this nerx reads up to 1: update"),
        ({"schema": None}, "no manifest of a nerx bundle"),
        ({"labels": []}, "incomplete or altered"),
        ({"labels": [1, 2]}, "incomplete or altered"),
        ({"unit": "lines"}, "incomplete or altered"),
        ({"max_length": "long"}, "incomplete or altered"),
        ({"tokenizer": {}}, "incomplete or altered"),
        ({"tokenizer": []}, "incomplete or altered"),
        ({"artifacts": [{"format": "onnx"}]}, "incomplete or altered"),
        ({"artifacts": None}, "incomplete or altered"),
        ({"surprise": 1}, "incomplete or altered"),
    ],
)
def test_manifests_that_cannot_be_used(bundle: Bundle, changes: dict, message: str) -> None:
    edit(bundle, **changes)
    with pytest.raises(BundleError, match=message):
        Bundle.load(bundle.folder)


def test_manifests_that_cannot_be_read(bundle: Bundle) -> None:
    for text in (b"", b"{", b"[]", b"\xff\xfe"):
        (bundle.folder / "nerx.json").write_bytes(text)
        with pytest.raises(BundleError, match=r"cannot be read|no manifest"):
            Bundle.load(bundle.folder)


def test_folders_that_are_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no folder"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"holds no nerx\.json"):
        Bundle.load(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BundleError, match="is a Hugging Face model; make a bundle of it"):
        Bundle.load(tmp_path)


def test_names_are_never_taken_for_folders(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.folder.parent)
    name = bundle.folder.name
    assert Bundle.load(f"./{name}").name == "toy"
    with pytest.raises(BundleError, match=rf"a folder such as ./{name}"):
        Bundle.load(name)
    with pytest.raises(BundleError, match=r"Hugging Face hub.*nerx export org/name"):
        Bundle.load("org/name")
    monkeypatch.setenv("HOME", str(bundle.folder.parent))
    assert Bundle.load(f"~/{name}").name == "toy"


def test_built_in_models_load_and_are_intact() -> None:
    for name in builtin_names():
        bundle = Bundle.load(name)
        assert bundle.name == name
        assert bundle.tokenizer_path().is_file()
        for artifact in bundle.artifacts:
            assert bundle.artifact_path(artifact).is_file()
