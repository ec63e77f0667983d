"""A checkpoint becomes a bundle whose labels are PyTorch's, or nothing at all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nncf")

import onnx

from nerx.engine.bundle import Bundle
from nerx.engine.errors import BundleError, ConfigError, InputError
from nerx.export import build
from nerx.export.build import ExportConfig, export_bundle
from nerx.export.sensitivity import quantized_products

from .conftest import LABELS, edit_config, make_checkpoint, write_gold

SILENT = lambda text: None  # noqa: E731


def export(folder: Path, target: Path, gold: Path, calibration: Path, **options: object):
    config = ExportConfig(verify=str(gold), calibration=str(calibration), **options)
    return export_bundle(str(folder), target, config, SILENT)


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_every_artifact_labels_as_pytorch_does(
    kind: str, tmp_path: Path, gold: Path, calibration: Path
) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint", kind)
    bundle, reports = export(
        folder,
        tmp_path / "out",
        gold,
        calibration,
        name="toy",
        precisions=("fp32", "fp16", "int8"),
    )
    assert Bundle.load(tmp_path / "out") == bundle
    assert (bundle.name, bundle.architecture, bundle.labels) == ("toy", kind, LABELS)
    assert (bundle.scheme, bundle.unit, bundle.max_length) == ("iob2", "words", 66)
    assert {(r.runtime, r.precision) for r in reports} == {
        (runtime, precision)
        for runtime in ("openvino", "onnxruntime")
        for precision in ("fp32", "fp16", "int8")
    }
    for report in reports:
        assert report.f1_reference == 1.0
        assert report.why_refused() is None
        assert report.agreement == 1.0 or report.precision != "fp32"
    for artifact in bundle.artifacts:
        assert set(artifact.parity) == {"openvino", "onnxruntime"}
        assert bundle.artifact_path(artifact).is_file()
    # A byte a weight: six products a layer, which ALBERT's layers share, and its embedding's own.
    int8 = onnx.load(tmp_path / "out" / "model.int8.onnx").graph.initializer
    matrices = [
        item for item in int8 if item.data_type == onnx.TensorProto.INT8 and len(item.dims) == 2
    ]
    assert len(matrices) == {"bert": 12, "albert": 7}[kind]


def test_a_failed_export_leaves_nothing(
    tmp_path: Path, bert_folder: Path, gold: Path, calibration: Path, monkeypatch
) -> None:
    def spoil(graph, *_):
        [bias] = [item for item in graph.graph.initializer if item.name == "classifier.bias"]
        bias.CopyFrom(onnx.numpy_helper.from_array(np.eye(5, dtype=np.float32)[2] * 50, bias.name))
        return graph

    monkeypatch.setattr(build, "quantize", spoil)
    monkeypatch.setattr(build, "most_sensitive", lambda *_: [])
    with pytest.raises(BundleError, match=r"int8 model was refused on openvino: F1 falls from 1.0"):
        export(bert_folder, tmp_path / "out", gold, calibration)
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_what_exists_is_not_overwritten(
    tmp_path: Path, bert_folder: Path, gold: Path, calibration: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="out exists already"):
        export(bert_folder, tmp_path / "out", gold, calibration)


def test_too_little_calibration_text(tmp_path: Path, bert_folder: Path, gold: Path) -> None:
    little = write_gold(tmp_path / "little.conll", seed=3, count=5)
    with pytest.raises(InputError, match="calibration needs 2000 subwords"):
        export(bert_folder, tmp_path / "out", gold, little, precisions=("int8",))


def test_gold_tags_that_the_model_does_not_know(
    tmp_path: Path, bert_folder: Path, calibration: Path
) -> None:
    (tmp_path / "other.conll").write_text("Paris B-TOWN\n")
    with pytest.raises(InputError, match="does not know: B-TOWN"):
        export(bert_folder, tmp_path / "out", tmp_path / "other.conll", calibration)


def test_text_without_tags_verifies_too(
    tmp_path: Path, bert_folder: Path, calibration: Path
) -> None:
    (tmp_path / "plain.txt").write_text(
        "Ada Turing saw the Rhine valley .\nAlan went to Paris\n" * 9
    )
    _, [report, _] = export(
        bert_folder, tmp_path / "out", tmp_path / "plain.txt", calibration, precisions=("fp32",)
    )
    assert (report.words, report.f1, report.agreement) == (11 * 9, None, 1.0)


def test_labels_of_no_scheme_are_plain_tags(
    tmp_path: Path, bert_folder: Path, calibration: Path
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "plain")
    edit_config(folder, id2label=dict(enumerate(("NOUN", "VERB", "ADJ", "ADV", "X"))))
    (tmp_path / "gold.conll").write_text("Ada NOUN\nsaw NOUN\n. NOUN\n")
    said: list[str] = []
    config = ExportConfig(verify=str(tmp_path / "gold.conll"), precisions=("fp32",))
    bundle, _ = export_bundle(str(folder), tmp_path / "out", config, said.append)
    assert bundle.scheme == "plain"
    assert "labels NOUN, VERB, ADJ, ADV, X follow no known scheme: plain tags" in said


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="expected some of fp32, fp16, int8"):
        ExportConfig(verify="x", precisions=("fp64",))
    with pytest.raises(ConfigError, match="expected one of words, characters"):
        ExportConfig(verify="x", calibration="y", unit="bytes")


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, bert_folder: Path, gold: Path, calibration: Path, monkeypatch
) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build.onnx, "save", full)
    with pytest.raises(BundleError, match=r"cannot write .*No space left"):
        export(bert_folder, tmp_path / "out", gold, calibration)
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_a_moved_bundle_still_loads(
    tmp_path: Path, bert_folder: Path, gold: Path, calibration: Path
) -> None:
    export(bert_folder, tmp_path / "out", gold, calibration, precisions=("fp32",))
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    bundle = Bundle.load(tmp_path / "elsewhere")
    assert bundle.artifact_path(bundle.artifact()).parent == tmp_path / "elsewhere"


def test_int8_puts_back_as_few_products_as_the_gate_asks(
    tmp_path: Path, bert_folder: Path, gold: Path, calibration: Path, monkeypatch
) -> None:
    check = build.check_parity
    rounded: list[int] = []

    def strict(bundle: Bundle, *options):
        parity = check(bundle, *options)
        path = bundle.artifact_path(bundle.artifacts[-1])
        rounded.append(len(quantized_products(onnx.load(path))))
        return parity if max(rounded) - rounded[-1] >= 3 else replace(parity, f1=0.5)

    monkeypatch.setattr(build, "check_parity", strict)
    bundle, _ = export(bert_folder, tmp_path / "out", gold, calibration, precisions=("int8",))
    products = max(rounded)
    assert sorted(set(rounded), reverse=True) == [products, products - 2, products - 4]
    [artifact] = bundle.artifacts
    assert len(artifact.parity["kept_in_fp32"]) == 4
    assert all("layer" in name for name in artifact.parity["kept_in_fp32"])
