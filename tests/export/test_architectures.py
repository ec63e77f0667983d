"""A small classifier of each architecture goes through every precision and passes the gate."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("nncf")

from nerx.engine.errors import BundleError
from nerx.export.build import ExportConfig, export_bundle
from nerx.export.checkpoint import load_checkpoint
from nerx.export.reference import reference_labels
from nerx.export.sample import read_sample
from nerx.export.verify import check_parity

from .conftest import make_checkpoint

KINDS = (
    "bert",
    "albert",
    "roberta",
    "xlm-roberta",
    "distilbert",
    "electra",
    "deberta-v2",
    "modernbert",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of transformers' own modules
@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_those_of_pytorch(
    kind: str, tmp_path: Path, gold: Path, calibration: Path
) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint", kind)
    config = ExportConfig(
        verify=str(gold), calibration=str(calibration), precisions=("fp32", "fp16", "int8")
    )
    bundle, reports = export_bundle(str(folder), tmp_path / "out", config, lambda text: None)
    assert bundle.architecture == kind
    assert len(reports) == 6
    for report in reports:
        assert report.f1_reference == 1.0
        assert report.why_refused() is None


def test_modernbert_on_backend_torch_passes_the_gate(tmp_path: Path, gold: Path) -> None:
    folder = make_checkpoint(tmp_path / "checkpoint", "modernbert")
    config = ExportConfig(verify=str(gold), precisions=("fp32",))
    bundle, _ = export_bundle(str(folder), tmp_path / "out", config, lambda text: None)
    sample = read_sample(str(gold), bundle.unit)
    reference = reference_labels(load_checkpoint(str(folder)), sample)
    report = check_parity(bundle, "torch", "fp32", sample, reference)
    assert (report.agreement, report.f1, report.why_refused()) == (1.0, 1.0, None)


def test_torch_exports_without_optimum(
    tmp_path: Path, bert_folder: Path, gold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "optimum"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optimum", None)
    config = ExportConfig(verify=str(gold), precisions=("fp32",))
    _, reports = export_bundle(str(bert_folder), tmp_path / "out", config, lambda text: None)
    assert [(report.agreement, report.f1_reference) for report in reports] == [(1.0, 1.0)] * 2


def test_what_cannot_be_traced_is_refused(tmp_path: Path, gold: Path) -> None:
    folder = make_checkpoint(tmp_path / "fnet", "fnet")  # it masks nothing
    with pytest.raises(BundleError, match=r"^fnet models cannot be exported to ONNX: .+$"):
        export_bundle(str(folder), tmp_path / "out", ExportConfig(verify=str(gold)), print)
    assert not (tmp_path / "out").exists()
