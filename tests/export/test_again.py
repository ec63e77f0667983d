"""Other precisions of a bundle's weights, as `nerx export BUNDLE` and `nerx bench --fp16` make."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("nncf")

from nerx.benchmarks import measure
from nerx.benchmarks.command import command as bench
from nerx.engine.bundle import Bundle
from nerx.engine.bundles.find import in_precisions
from nerx.engine.commands.export import command as export
from nerx.engine.tagger import Tagger
from nerx.export.build import ExportConfig, export_bundle
from nerx.export.torch_checkpoint import write_checkpoint

from .conftest import make_checkpoint, sentences, write_gold


@pytest.fixture(scope="module", params=["bert", "albert"])
def int8(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that holds int8 alone, as the built-in ones do."""
    folder = tmp_path_factory.mktemp("again")
    checkpoint = make_checkpoint(folder / "checkpoint", request.param)
    verify = write_gold(folder / "gold.conll", 2, 100)
    config = ExportConfig(
        precisions=("int8",),
        max_length=64,
        title_case=True,
        name="mine",
        verify=str(verify),
        calibration=str(write_gold(folder / "more.conll", 3, 300)),
        source={"licence": "MIT"},
        card={"task": "places"},
    )
    return export_bundle(str(checkpoint), folder / "bundle", config, print)[0]


def labels(model: Path) -> list[str]:
    with Tagger(model) as tagger:
        labelled = tagger(sentences(4, 40), is_split_into_words=True)
        return [tag for document in labelled for tag in document["tags"]]


def test_a_bundle_is_exported_again_from_its_own_weights(int8: Bundle, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        export,
        [str(int8.folder), "-o", str(tmp_path / "floats"), "--precision", "fp32,fp16"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    made = Bundle.load(tmp_path / "floats")
    assert [item.precision for item in made.artifacts] == ["fp32", "fp16"]
    kept = ("name", "labels", "scheme", "unit", "pad_id", "source", "card")
    assert (made.max_length, made.title_case) == (64, True)
    assert [getattr(made, name) for name in kept] == [getattr(int8, name) for name in kept]
    pairs = [a == b for a, b in zip(labels(made.folder), labels(int8.folder), strict=True)]
    assert sum(pairs) > 0.97 * len(pairs) > 400  # in int8, activations are rounded


def test_without_an_output_the_folder_is_named_after_the_bundle(
    int8: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(int8.folder), "--precision", "fp32"]
    assert CliRunner().invoke(export, words, catch_exceptions=False).exit_code == 0
    assert Bundle.load(tmp_path / "mine-bundle").name == "mine"


def test_the_checkpoint_of_a_bundle_is_one_that_transformers_loads(
    int8: Bundle, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    write_checkpoint(int8, tmp_path)
    pipe = transformers.pipeline(
        "token-classification", model=str(tmp_path), aggregation_strategy="first"
    )
    [found] = pipe("went to Paris .")
    assert (found["entity_group"], found["word"].lower()) == ("LOC", "paris")


def test_a_precision_that_is_missing_is_made_once(
    int8: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    strange = replace(int8, name="../..")  # the name in a manifest is anybody's
    for _ in range(2):
        made = in_precisions(strange, ("fp32",))
        assert made.folder.parent == tmp_path / "nerx" / "models"
    assert capsys.readouterr().err.count("once") == 1


def test_bench_fp16_makes_what_it_needs(
    int8: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(measure, "ROUNDS", 2)
    monkeypatch.setattr(measure, "MIN_PASS_S", 0.05)
    corpus, file = write_gold(tmp_path / "gold.conll", 5, 40), tmp_path / "out.json"
    words = ["-m", str(int8.folder), "--corpus", str(corpus), "--minutes", "0.02"]
    words += ["--peers", "none", "--json", str(file), "--fp16", "--backend", "openvino"]
    done = CliRunner().invoke(bench, words, catch_exceptions=False, standalone_mode=False)
    results = json.loads(file.read_text())
    assert [row["precision"] for row in results["rows"]] == ["fp16", "fp32"]
    assert all(row["label_agreement"] > 0.99 for row in results["rows"])
    assert results["limits"]["fp32"]["words_per_s"] > 0
    assert "fp16 on a CPU is computed in fp32" in done.output
    assert not [line for line in done.stdout.splitlines() if len(line) > 80]

    words = [*words[:-3], "--backend", "torch"]
    CliRunner().invoke(bench, words, catch_exceptions=False, standalone_mode=False)
    [row] = json.loads(file.read_text())["rows"]
    assert (row["backend"], row["precision"], row["device"]) == ("torch", "fp32", "cpu")
