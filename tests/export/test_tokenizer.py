"""The tokenizer is the one that transformers makes for words, and the gate holds to that."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("nncf")

from tokenizers import Tokenizer

from nerx.engine.bundle import file_hashes
from nerx.engine.errors import BundleError
from nerx.export.build import ExportConfig, export_bundle
from nerx.export.checkpoint import load_checkpoint
from nerx.export.reference import reference_labels
from nerx.export.sample import read_sample
from nerx.export.tokenizer import load_tokenizer
from nerx.export.verify import check_parity

from .other_models import KINDS, Kind, make_classifier, write_tokenizer

TEXTS = [
    ["Café", "café", "cafe", "in", "Paris"],
    ["The", "Rhine", "valley", ".", "and", "MORE"],
] * 9
BERT, ROBERTA, MODERNBERT = (
    next(kind for kind in KINDS if kind.model == name) for name in ("bert", "roberta", "modernbert")
)


def tokens(folder: Path, *words: str) -> list[str]:
    loaded = load_tokenizer(folder).backend_tokenizer
    saved = Tokenizer.from_str(loaded.to_str())  # as the engine will read it
    return saved.encode(list(words), is_pretokenized=True).tokens


def configure(folder: Path, **changes: object) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_case_and_accents_are_as_configured(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    write_tokenizer(folder, BERT, TEXTS)
    configure(folder, do_lower_case=False)
    cased = tokens(folder, "Café")
    assert "".join(cased).replace("#", "") == "[CLS]Café[SEP]"
    configure(folder, do_lower_case=True, strip_accents=False)
    assert tokens(folder, "CAFÉ") == tokens(folder, "café") != cased
    assert tokens(folder, "cafe") != tokens(folder, "café")
    configure(folder, do_lower_case=True, strip_accents=True)
    assert tokens(folder, "CAFÉ") == tokens(folder, "cafe")


@pytest.mark.parametrize("kind", [ROBERTA, MODERNBERT], ids=lambda kind: kind.model)
def test_byte_level_words_begin_with_a_space(kind: Kind, tmp_path: Path) -> None:
    folder = tmp_path / kind.model
    tokenizer = write_tokenizer(folder, kind, TEXTS)
    text = tokenizer.encode(" The Rhine valley", add_special_tokens=False).tokens
    assert tokens(folder, "The", "Rhine", "valley")[1:-1] == text
    assert text[0].startswith("Ġ")


def test_models_are_trained_with_the_same_words(tmp_path: Path) -> None:
    from nerx.finetune.base import load_tokenizer as of_training

    folder = tmp_path / "roberta"
    write_tokenizer(folder, ROBERTA, TEXTS)
    tokenizer = of_training(str(folder))
    trained = tokenizer.backend_tokenizer.encode(TEXTS[1], is_pretokenized=True)
    assert trained.tokens == tokens(folder, *TEXTS[1])
    tokenizer.save_pretrained(tmp_path / "trained")
    assert tokens(tmp_path / "trained", *TEXTS[1]) == trained.tokens


def test_nothing_is_cut_or_filled_up(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    tokenizer = write_tokenizer(folder, BERT, TEXTS)
    whole = len(tokens(folder, *TEXTS[0]))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=30)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert len(tokens(folder, *TEXTS[0])) == whole


def test_a_class_that_this_transformers_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    write_tokenizer(folder, BERT, TEXTS)
    expected = tokens(folder, "Paris")
    configure(folder, tokenizer_class="OfTomorrowTokenizerFast")
    assert tokens(folder, "Paris") == expected


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no tokenizer that can be loaded"):
        load_tokenizer(tmp_path)


def test_the_gate_knows_what_the_engine_should_have_tokenized(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path / "model", ROBERTA, TEXTS)
    verify = tmp_path / "texts.jsonl"
    verify.write_text("".join(json.dumps({"tokens": words}) + "\n" for words in TEXTS))
    config = ExportConfig(precisions=("fp32",), verify=str(verify))
    bundle, [report, *_] = export_bundle(str(folder), tmp_path / "out", config, print)
    assert report.agreement == 1.0
    # The file as it was published, without the space that words need
    Tokenizer.from_file(str(folder / "tokenizer.json")).save(str(bundle.folder / "tokenizer.json"))
    other = replace(bundle, tokenizer=file_hashes(bundle.folder, ["tokenizer.json"]))
    sample = read_sample(str(verify), "words")
    reference = reference_labels(load_checkpoint(str(folder)), sample)
    refused = check_parity(other, "openvino", "fp32", sample, reference)
    assert "of words agree with PyTorch" in (refused.why_refused() or "")
    assert refused.agreement < 0.9
