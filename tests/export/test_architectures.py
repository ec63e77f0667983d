"""A small classifier of each architecture goes through every precision and passes the gate."""

from pathlib import Path

import pytest

pytest.importorskip("nncf")

from nerx.export.build import ExportConfig, export_bundle
from nerx.export.onnx import supported_architectures

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


def test_the_list_of_architectures_names_those_tried() -> None:
    assert set(KINDS) <= set(supported_architectures())
