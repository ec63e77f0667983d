"""Twenty models as others publish them: every word gets the label that transformers gives it.

What transformers says is asked here with its own tokenizer and model, a sentence at a time.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("nncf")  # torch and transformers come with it
import torch
import transformers

from nerx.engine import LabelConfig, Tagger
from nerx.engine.commands.cli import cli

from .other_models import KINDS, LABELS, Kind, make_classifier

SENTENCES = 150
TIE = 1e-2  # of logits that spread over about 5; some models are scaled up by hundreds


@pytest.fixture(scope="module")
def noisy(shared: Path) -> list[list[str]]:
    """Posts of a social network, as words."""
    path = shared / "data" / "wnut17" / "dev.conll"
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")[:SENTENCES]
    return [[line.split("\t")[0] for line in block.splitlines()] for block in blocks]


def of_transformers(folder: Path, kind: Kind, texts: list[list[str]]) -> list[list[str | None]]:
    """Labels of all words; None for one that is nearly a tie, and where a word has no subword.

    For such a word nerx gives the model an unknown one, which its neighbours see.
    """
    options = {"add_prefix_space": True} if kind.tokenizer == "bytes" else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    if kind.tokenizer == "bytes":  # transformers 5 does not pass it on to every class
        tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = True
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    labels: list[list[str | None]] = []
    for words in texts:
        encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            [logits] = model(**encoding).logits.numpy()
        row: list[str | None] = [None] * len(words)
        for place, word in reversed(list(enumerate(encoding.word_ids()))):
            if word is not None:
                second, best = np.sort(logits[place])[-2:]
                clear = best - second > TIE
                row[word] = model.config.id2label[int(logits[place].argmax())] if clear else None
        whole = set(encoding.word_ids()) >= set(range(len(words)))
        labels.append(row if whole else [None] * len(words))
    return labels


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of transformers' own modules
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model)
def test_every_word_gets_the_label_that_transformers_gives_it(
    kind: Kind, noisy: list[list[str]], tmp_path: Path
) -> None:
    folder = make_classifier(tmp_path / "model", kind, noisy)
    verify = tmp_path / "noisy.jsonl"
    verify.write_text("".join(json.dumps({"tokens": words}) + "\n" for words in noisy))
    words = [str(folder), "-o", str(tmp_path / "out"), "--precision", "fp32"]
    done = CliRunner().invoke(cli, ["export", *words, "--verify", str(verify)])
    assert done.exit_code == 0, done.exception or done.stderr
    expected = [label for row in of_transformers(folder, kind, noisy) for label in row]
    with Tagger(tmp_path / "out", config=LabelConfig(decode="argmax")) as tagger:
        labelled = tagger(noisy, is_split_into_words=True)
    found = [tag for document in labelled for tag in document["tags"]]
    compared = [pair for pair in zip(expected, found, strict=True) if pair[0] is not None]
    assert len(compared) > 0.99 * len(found) > 1000
    assert min(Counter(label for label, _ in compared)[label] for label in LABELS) > 50
    assert [pair for pair in compared if pair[0] != pair[1]] == []
