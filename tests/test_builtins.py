"""The built-in models on the example files and on open gold data, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nerx.engine import Tagger
from nerx.engine.bundle import Bundle
from nerx.engine.model import Model
from nerx.engine.run.evaluation import evaluate
from nerx.engine.run.gold import read_gold

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
NERX = [sys.executable, "-c", "from nerx.engine.commands.cli import main; main()"]


def nerx(*words: str | Path) -> str:
    done = subprocess.run([*NERX, *words], check=True, capture_output=True)
    return done.stdout.decode()


def test_news_come_out_with_their_entities():
    lines = (EXAMPLES / "news.jsonl").read_text().splitlines()
    labelled = nerx("tag", EXAMPLES / "news.jsonl").splitlines()
    assert len(labelled) == len(lines)
    found = set()
    for before, after in zip(lines, labelled, strict=True):
        assert after.startswith(before.removesuffix("}") + ",")  # other keys, byte for byte
        record = json.loads(after)
        for entity in record["entities"]:
            assert record["text"][entity["start"] : entity["end"]] == entity["word"]
            assert 0 < entity["score"] <= 1
            found.add((entity["entity_group"], entity["word"]))
    assert {
        ("LOC", "Poland"),
        ("LOC", "Christchurch"),
        ("LOC", "Mexico City"),
        ("ORG", "NASA"),
        ("PER", "Margaret Atwood"),
        ("PER", "John Key"),
        ("PER", "Romelu Lukaku"),
    } <= found


def test_conll_comes_out_with_one_more_column():
    before = (EXAMPLES / "sample.conll").read_text()
    after = nerx("tag", EXAMPLES / "sample.conll")
    rows = after.split("\n")
    plain = [row.rpartition("\t")[0] if row.count("\t") == 2 else row for row in rows]
    assert "\n".join(plain) == before
    assert "Taiwan\tB-location\tB-LOC" in rows


def test_prose_comes_out_in_words():
    lines = (EXAMPLES / "prose_zh.txt").read_text().splitlines()
    for line, parted in zip(
        lines, nerx("tag", "-m", "zh", "--to", "words", EXAMPLES / "prose_zh.txt").splitlines(),
        strict=True,
    ):  # fmt: skip
        assert parted.replace(" ", "") == line.replace(" ", "")
        assert 1.2 < len(line) / len(parted.split()) < 3  # characters a word


DATA = ROOT / "tests" / "data"
# F1 when the models were made, less what another processor may change. Documents are ten sentences.
FLOORS = [
    ("zh", "gsd_dev_simplified.txt", 1, "", 0.94),
    ("zh", "gsd_dev_simplified.txt", 10, "", 0.94),
    ("zh", "gsd_dev_traditional.txt", 1, "", 0.94),
    ("zh", "gsd_dev_traditional.txt", 10, "", 0.94),
    ("en", "wnut_dev.conll", 1, "PER", 0.70),
    ("en", "wnut_dev.conll", 10, "PER", 0.66),
    ("en", "wnut_dev.conll", 1, "LOC", 0.56),
    ("en", "wnut_dev.conll", 10, "LOC", 0.56),
    ("zh-fast", "gsd_dev_simplified.txt", 1, "", 0.93),
    ("zh-fast", "gsd_dev_simplified.txt", 10, "", 0.93),
    ("zh-fast", "gsd_dev_traditional.txt", 1, "", 0.93),
    ("zh-fast", "gsd_dev_traditional.txt", 10, "", 0.93),
    ("en-fast", "wnut_dev.conll", 1, "PER", 0.49),
    ("en-fast", "wnut_dev.conll", 10, "PER", 0.46),
    ("en-fast", "wnut_dev.conll", 1, "LOC", 0.40),
    ("en-fast", "wnut_dev.conll", 10, "LOC", 0.49),
]


@pytest.mark.parametrize(("model", "gold", "length", "kind", "floor"), FLOORS)
def test_built_in_models_keep_their_f1(model, gold, length, kind, floor):
    sentences = list(read_gold(str(DATA / gold)))
    parts = [sentences[at : at + length] for at in range(0, len(sentences), length)]
    records = [([w for s, _ in p for w in s], [t for _, s in p for t in s]) for p in parts]
    with Model(Bundle.load(model)) as loaded:
        assert evaluate(loaded, records).by_type[kind].f1 >= floor


@pytest.mark.parametrize(("model", "floor"), [("en", 0.65), ("en-fast", 0.5)])
def test_names_are_found_in_capitals(model, floor):
    """Names in news, of which each text is also read in capitals alone."""
    texts = [
        json.loads(line)["text"] for line in (EXAMPLES / "news.jsonl").read_text().splitlines()
    ]
    texts = [text for text in texts if len(text.upper()) == len(text)]
    with Tagger(model) as tagger:
        plain, capitals = (
            [{(e["entity_group"], e["start"], e["end"]) for e in doc["entities"]} for doc in docs]
            for docs in (tagger(texts), tagger([text.upper() for text in texts]))
        )
    kept = sum(len(a & b) for a, b in zip(plain, capitals, strict=True))
    assert kept / sum(map(len, plain)) > floor


def test_python_and_command_line_agree():
    lines = (EXAMPLES / "news.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    labelled = [json.loads(line) for line in nerx("tag", EXAMPLES / "news.jsonl").splitlines()]
    with Tagger("en") as tagger:
        assert [doc["entities"] for doc in tagger.pipe(texts)] == [
            record["entities"] for record in labelled
        ]
