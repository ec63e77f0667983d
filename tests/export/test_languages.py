"""Raw text of eleven languages: entities and offsets are those of the Hugging Face pipeline.

`aggregation_strategy` is "first" where the script puts spaces, "simple" where it does not. What
docs/text.md says of differences is counted here.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nncf")  # torch and transformers come with it

import transformers

from nerx.engine import LabelConfig, Tagger
from nerx.export.build import ExportConfig, export_bundle

from .languages import SENTENCES, UNSPACED
from .other_models import KINDS, ROBERTA, Kind, make_classifier

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of how the pipeline finds words

SIGNS = re.compile(r"(?<=\w)([.,;:()।،؛]+)|([(])(?=\w)")
BERT = next(kind for kind in KINDS if kind.model == "bert")
XLM_R = Kind("xlm-roberta", "fours", "PreTrainedTokenizerFast", ROBERTA, ("<s>", "</s>"),
             configured={"model_input_names": ["input_ids", "attention_mask"]})  # fmt: skip


class Pair:
    """A model in transformers and the bundle of it."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        every = [line for lines in SENTENCES.values() for line in lines]
        texts = [text.split() for line in every for text in (line, apart(line))]
        model = make_classifier(folder / "model", kind, texts)
        verify = folder / "texts.jsonl"
        verify.write_text("".join(json.dumps({"tokens": words}) + "\n" for words in texts))
        config = ExportConfig(precisions=("fp32",), verify=str(verify))
        export_bundle(str(model), folder / "bundle", config, lambda text: None)
        self._theirs = transformers.pipeline("token-classification", model=str(model), device=-1)
        self._ours = Tagger(folder / "bundle", config=LabelConfig(decode="argmax"))

    def entities(self, language: str, line: str) -> list[dict[tuple[str, int, int], float]]:
        """Scores of the entities that each finds, the pipeline of transformers first."""
        strategy = "simple" if language in UNSPACED else "first"
        theirs = self._theirs(line, aggregation_strategy=strategy)
        return [dict(map(_scored, found)) for found in (theirs, self._ours(line)["entities"])]

    def check(self, language: str, lines: list[str]) -> None:
        """Asserts that both find the same entities, and some of them.

        How many differs a little: a unigram tokenizer is not trained to the same pieces each time.
        """
        found = 0
        for line in lines:
            theirs, ours = self.entities(language, line)
            assert theirs.keys() == ours.keys()
            assert [ours[key] for key in theirs] == pytest.approx([*theirs.values()], abs=1e-3)
            found += len(ours)
        assert found > 4


def _scored(entity: dict[str, Any]) -> tuple[tuple[str, int, int], float]:
    return (entity["entity_group"], entity["start"], entity["end"]), float(entity["score"])


def apart(line: str) -> str:
    """The same text with signs parted from words, as nerx parts them."""
    return re.sub(r" +", " ", SIGNS.sub(lambda found: f" {found[0]} ", line)).strip()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("bert"), BERT)


@pytest.fixture(scope="module")
def xlm_r(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("xlm-r"), XLM_R)


@pytest.mark.parametrize("language", SENTENCES)
def test_wordpiece(language: str, bert: Pair) -> None:
    bert.check(language, SENTENCES[language])


@pytest.mark.parametrize("language", [name for name in SENTENCES if name != "Chinese"])
def test_unigram_where_signs_stand_apart(language: str, xlm_r: Pair) -> None:
    xlm_r.check(language, list(map(apart, SENTENCES[language])))
