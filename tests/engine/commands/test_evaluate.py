"""`nerx eval` as its users meet it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerx.engine.commands.evaluate import command


@pytest.mark.parametrize("suffix", ["", ".conll"])
def test_json_holds_the_figures_of_the_table(tmp_path: Path, ner_folder: Path, suffix: str) -> None:
    gold = tmp_path / f"gold{suffix}"
    gold.write_text("Paris B-PER\nBerlin O\nSeoul B-LOC\nLima I-LOC\n\nOslo O\nOslo O\n\n")
    words = [str(gold), "-m", str(ner_folder)]
    table = CliRunner().invoke(command, words, catch_exceptions=False).output
    found = json.loads(CliRunner().invoke(command, [*words, "--json"]).output)
    assert (found["gold"], found["sentences"], found["scheme"]) == (str(gold), 2, "iob2")
    assert found["total"]["gold"] == 2
    assert sum(score["gold"] for score in found["types"].values()) == 2
    for name, score in [*found["types"].items(), ("all types", found["total"])]:
        [line] = [line for line in table.splitlines() if line.startswith(name)]
        rates = [f"{score[rate]:.4f}" for rate in ("precision", "recall", "f1")]
        assert line.removeprefix(name).split() == [*rates, str(score["gold"])]
    assert f"{found['accuracy']:.4f}" in table.splitlines()[-1]


def test_gold_of_another_layout_is_read(tmp_path: Path, ner_folder: Path) -> None:
    gold = tmp_path / "gold.conll"
    gold.write_text("1 Paris O\n2 Oslo B-LOC\n\n")
    words = [str(gold), "-m", str(ner_folder), "--token-column", "2", "--json"]
    assert json.loads(CliRunner().invoke(command, words).output)["sentences"] == 1
