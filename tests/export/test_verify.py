"""The gate accepts the model itself and refuses a changed one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optimum")

import onnx

from nerx.engine.bundle import Bundle, file_hashes
from nerx.export.build import ExportConfig, export_bundle
from nerx.export.checkpoint import load_checkpoint
from nerx.export.reference import reference_labels
from nerx.export.sample import read_sample
from nerx.export.verify import Parity, check_parity

PASSED = Parity(
    runtime="openvino", precision="fp32", words=1000, agreement=1.0, f1_reference=0.9, f1=0.9,
    finite=True, same_alone=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, bert_folder: Path, gold: Path) -> Bundle:
    folder = tmp_path_factory.mktemp("exported") / "out"
    config = ExportConfig(verify=str(gold), precisions=("fp32",))
    bundle, _ = export_bundle(str(bert_folder), folder, config, lambda text: None)
    return bundle


def with_changed_weight(bundle: Bundle) -> Bundle:
    """Adds 20 to one weight of the classifier, and signs the result as if it were right."""
    path = bundle.folder / "model.fp32.onnx"
    model = onnx.load(path)
    [bias] = [item for item in model.graph.initializer if item.name == "classifier.bias"]
    values = onnx.numpy_helper.to_array(bias).copy()
    values[1] += 20.0
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, bundle.folder / "changed.onnx")
    files = file_hashes(bundle.folder, ["changed.onnx"])
    return replace(bundle, artifacts=(replace(bundle.artifacts[0], files=files),))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_one_changed_weight_is_refused(
    runtime: str, exported: Bundle, bert_folder: Path, gold: Path
) -> None:
    sample = read_sample(str(gold), "words")
    reference = reference_labels(load_checkpoint(str(bert_folder)), sample)
    right = check_parity(exported, runtime, "fp32", sample, reference)
    assert (right.agreement, right.why_refused(), right.differences) == (1.0, None, ())
    wrong = check_parity(with_changed_weight(exported), runtime, "fp32", sample, reference)
    assert "of words agree with PyTorch, expected 100.0%" in (wrong.why_refused() or "")
    assert "became B-LOC" in wrong.differences[0]
    assert "[" in wrong.differences[0]  # the word, among its neighbours
    assert (wrong.f1 or 0.0) < (wrong.f1_reference or 0.0)


def test_words_without_a_comparison_are_left_out(bert_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("Ada " * 200 + "\nAda saw Paris .\n")
    sample = read_sample(str(path), "words")
    reference = reference_labels(load_checkpoint(str(bert_folder)), sample)
    np.testing.assert_array_equal(np.flatnonzero(reference.label_ids >= 0), np.arange(200, 204))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agreement": 0.9999}, "99.990% of words agree"),
        ({"finite": False}, "not numbers"),
        ({"same_alone": 0.99}, "when documents run one at a time"),
        ({"precision": "fp16", "agreement": 0.998}, "expected 99.9%"),
        ({"precision": "int8", "f1": 0.896}, "F1 falls from 0.9000 to 0.8960"),
        ({"precision": "int8", "f1": None, "agreement": 0.99}, "expected 99.5%"),
        ({"precision": "int8", "f1": 0.8975, "agreement": 0.99}, None),
        ({"precision": "fp16", "agreement": 0.9995}, None),
    ],
)
def test_the_levels_of_the_gate(changes: dict, reason: str | None) -> None:
    refused = replace(PASSED, **changes).why_refused()
    assert refused is None if reason is None else reason in refused
