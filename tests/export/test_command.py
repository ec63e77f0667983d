"""`nerx export` on the command line: what it prints, and what it says when it cannot."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerx.engine.commands.cli import cli
from nerx.engine.errors import NerxError

nncf = pytest.importorskip("nncf")


def run(*words: str | Path):
    return CliRunner().invoke(cli, ["export", *map(str, words)])


def test_the_report_is_a_table(tmp_path: Path, bert_folder: Path, gold: Path) -> None:
    (tmp_path / "card.json").write_text('{"task": "toy"}')
    result = run(
        bert_folder, "-o", tmp_path / "out", "--precision", "fp32", "--verify", gold,
        "--card", tmp_path / "card.json", "--license", "MIT", "--source", "org/toy",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    head, *rows = result.stdout.splitlines()
    assert head.split()[:2] == ["runtime", "precision"]
    assert [row.split()[:2] for row in rows] == [["openvino", "fp32"], ["onnxruntime", "fp32"]]
    assert all(row.split()[3:] == ["100.0000%", "1.0000", "1.0000"] for row in rows)
    assert "checking fp32 ..." in result.stderr
    manifest = (tmp_path / "out" / "nerx.json").read_text()
    assert all(word in manifest for word in ('"task": "toy"', '"licence": "MIT"', '"org/toy"'))


def test_a_model_that_finds_nothing_shows_nothing(
    tmp_path: Path, bert_folder: Path, gold: Path
) -> None:
    other = tmp_path / "other.conll"
    turned = re.sub(
        r" (\S+)$", lambda tag: " B-PER" if tag[1] == "O" else " O", gold.read_text(), flags=re.M
    )
    other.write_text(turned)
    words = ("--precision", "fp32", "--verify")
    said = "F1 is 0 by PyTorch's own labels: the model finds nothing of the gold data"
    assert said in run(bert_folder, "-o", tmp_path / "out", *words, other).stderr
    assert said not in run(bert_folder, "-o", tmp_path / "fine", *words, gold).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["./nowhere", "-o", "out"], "./nowhere is no folder"),
        (["MODEL", "-o", "out", "--precision", "fp64"], "expected some of fp32, fp16, int8"),
        (["MODEL", "-o", "out", "--card", "no.json"], "no.json cannot be read as JSON"),
        (["MODEL", "-o", "out", "--verify", "no.conll"], "no.conll"),
        (["MODEL", "-o", "."], ". exists already"),
        (["MODEL", "-o", "out", "--scheme", "iob9"], "unknown label scheme 'iob9'"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], message: str, bert_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*[str(bert_folder) if word == "MODEL" else word for word in words])
    assert isinstance(result.exception, NerxError)  # which `main` prints without a traceback
    assert message in str(result.exception)
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "nerx.export.build", raising=False)
    monkeypatch.setitem(sys.modules, "nncf", None)
    for name in [name for name in sys.modules if name.startswith("nerx.export")]:
        monkeypatch.delitem(sys.modules, name)
    result = run("./model", "-o", tmp_path / "out")
    assert isinstance(result.exception, NerxError)
    assert "pip install 'nerx-engine[export]'" in str(result.exception)
