"""`nerx bench` as a user runs it, on a tiny bundle."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerx.benchmarks import scaling
from nerx.benchmarks.command import command
from nerx.benchmarks.systems import PEERS
from nerx.engine.errors import ConfigError, NerxError

DOCS = Path(__file__).resolve().parents[3] / "docs" / "bench.md"
ROW = """system backend precision words_per_s subwords_per_s padding label_agreement peak_memory_mb
limit_share""".split()


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("Paris is in France .\nBerlin is not .\n" * 40)
    return path


def bench(tiny, corpus, *options):
    words = ["-m", str(tiny), "--backend", "openvino", "--corpus", str(corpus), *options]
    words += ["--minutes", "0.02"]
    return CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)


def test_json_has_the_documented_schema(quick, tiny, corpus, tmp_path):
    file = tmp_path / "out.json"
    shown = bench(tiny, corpus, "--peers", "none", "--json", str(file))
    results = json.loads(file.read_text())
    [row] = results["rows"]
    assert set(ROW) <= set(row)
    assert set(row["words_per_s"]) == {"min", "median", "max"}
    assert results["corpus"]["words"] == 40 * 9
    assert "nerx openvino fp32" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    assert "\033" not in shown.output
    if DOCS.is_file():
        documented = set(re.findall(r"`([a-z0-9_]+)`", DOCS.read_text()))
        assert {*results, *row, *results["machine"], *results["corpus"]} <= documented


def test_peers_that_are_missing_are_named_with_their_command(quick, tiny, corpus, monkeypatch):
    monkeypatch.setattr("nerx.benchmarks.systems.Peer.missing", lambda peer: "pip install it")
    shown = bench(tiny, corpus)
    for name, peer in PEERS.items():
        reason = "not installed; run `pip install it`" if "words" in peer.units else "does not"
        assert f"{name}: {reason}" in shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_what_cannot_be_written_is_refused_before_the_measurement(quick, tiny, corpus, tmp_path):
    for option in ("--json", "--plot"):
        with pytest.raises(ConfigError, match="nowhere is no folder you can write to"):
            bench(tiny, corpus, option, str(tmp_path / "nowhere" / "out"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nerx.benchmarks.command.find_spec", lambda name: None)
        with pytest.raises(ConfigError, match="--plot needs matplotlib"):
            bench(tiny, corpus, "--plot", str(tmp_path / "out.png"))


def test_gold_tags_give_f1(quick, tiny, tmp_path):
    gold = tmp_path / "gold.conll"
    gold.write_text("Paris\tB-LOC\nis\tO\n\nBerlin\tB-LOC\n.\tO\n\n" * 30)
    file = tmp_path / "out.json"
    bench(tiny, gold, "--peers", "none", "--json", str(file))
    assert 0 <= json.loads(file.read_text())["rows"][0]["f1"] <= 1


def test_scaling_says_how_time_and_memory_grow(quick, tiny, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "SIZES", (100, 200, 400))
    file = tmp_path / "out.json"
    shown = bench(tiny, corpus, "--peers", "none", "--scaling", "--json", str(file))
    sizes = json.loads(file.read_text())["scaling"]["sizes"]
    assert [one["records"] for one in sizes] == [100, 200, 400][: len(sizes)]
    assert "scaling of nerx openvino fp32" in shown.output


def test_a_picture_is_drawn(quick, tiny, corpus, tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "out.png"
    bench(tiny, corpus, "--peers", "none", "--plot", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [("--precision", "int8"), ("--int8",)])
def test_a_precision_that_cannot_be_had_is_refused_either_way(quick, tiny, corpus, words):
    with pytest.raises(NerxError, match=r"none that nerx export made|nerx-engine\[export\]"):
        bench(tiny, corpus, "--peers", "none", *words)
