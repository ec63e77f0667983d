import hashlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from nerx.engine.errors import ConfigError, InputError
from nerx.finetune.data import read_corpus
from nerx.finetune.recipes import ENTITY_LABELS, SEGMENTATION_LABELS


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return str(path)


def names(corpus, labels=ENTITY_LABELS):
    return [[labels[number] for number in sentence] for sentence in corpus.labels]


def test_iob1_becomes_iob2(tmp_path):
    path = write(tmp_path, "a.conll", "a I-LOC\nb I-LOC\nc B-LOC\nd I-PER\n\ne I-PER\nf O\n")
    assert names(read_corpus([path], "train", ENTITY_LABELS)) == [
        ["B-LOC", "I-LOC", "B-LOC", "B-PER"],
        ["B-PER", "O"],
    ]


def test_iob2_stays_as_it_is(tmp_path):
    tags = ["B-LOC", "I-LOC", "B-LOC", "O", "B-PER"]
    path = write(tmp_path, "a.conll", "".join(f"w {tag}\n" for tag in tags))
    assert names(read_corpus([path], "train", ENTITY_LABELS)) == [tags]


def test_jsonl_and_conll_of_the_same_sentences_are_the_same(tmp_path):
    conll = write(tmp_path, "a.conll", "EU B-ORG\nleft O\n")
    jsonl = write(tmp_path, "a.jsonl", '{"tokens": ["EU", "left"], "tags": ["B-ORG", "O"]}\n')
    one, other = (read_corpus([path], "dev", ENTITY_LABELS) for path in (conll, jsonl))
    assert (one.words, one.labels) == (other.words, other.labels)


def test_several_files_are_joined_in_order_and_hashed(tmp_path):
    first = write(tmp_path, "a.txt", "北京 人\n我\n")
    second = write(tmp_path, "b.txt", "我 爱 你\n")
    corpus = read_corpus([first, second], "train", SEGMENTATION_LABELS)
    assert corpus.words == [list("北京人"), ["我"], list("我爱你")]
    assert names(corpus, SEGMENTATION_LABELS) == [list("BIB"), ["B"], list("BBB")]
    assert corpus.sources == {first: 2, second: 1}
    assert corpus.sha256[second] == hashlib.sha256("我 爱 你\n".encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.conll", "\n\n", "no sentence found"),
        ("none.txt", None, "none.txt"),
        ("type.conll", "a B-FOOD\n", "type.conll: .*type FOOD.*--set labels"),
        ("mixed.conll", "a I-LOC\n\nb B-PER\nc O\n", "IOB1.*IOB2.*one scheme"),
        ("row.conll", "a O\nb\n", "row.conll:1: "),
        ("tags.jsonl", '{"tokens": ["a"], "tags": []}\n', "tags.jsonl:1: "),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, name, text, message):
    path = str(tmp_path / name) if text is None else write(tmp_path, name, text)
    with pytest.raises(InputError, match=message):
        read_corpus([path], "train", ENTITY_LABELS)


def test_a_file_given_twice_is_refused(tmp_path):
    path = write(tmp_path, "a.conll", "a O\n")
    with pytest.raises(ConfigError, match="given twice"):
        read_corpus([path, path], "train", ENTITY_LABELS)


class Rows(list):
    def __init__(self, rows):
        super().__init__(rows)
        tags = SimpleNamespace(names=["O", "B-PER", "I-PER"])
        self.features = {"ner_tags": SimpleNamespace(feature=tags)}


def test_a_corpus_of_the_hub_is_read_without_its_code(monkeypatch):
    calls = []

    def load_dataset(name, **options):
        calls.append((name, options))
        empty = {"tokens": [], "ner_tags": []}
        return Rows([{"tokens": ["Ada", "left"], "ner_tags": [1, 0]}, empty])

    hub = ModuleType("datasets")
    hub.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", hub)
    corpus = read_corpus(["conll2003"], "dev", ENTITY_LABELS)
    assert corpus.words == [["Ada", "left"]]
    assert names(corpus) == [["B-PER", "O"]]
    ((name, options),) = calls
    assert name == "eriktks/conll2003"
    assert options == {"revision": "refs/convert/parquet", "split": "validation"}


def test_a_hub_that_cannot_be_reached_is_an_input_error(monkeypatch):
    def load_dataset(name, **options):
        raise ConnectionError("no route")

    hub = ModuleType("datasets")
    hub.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", hub)
    with pytest.raises(InputError, match=r"no route.*local file"):
        read_corpus(["conll2003"], "train", ENTITY_LABELS)


def test_without_datasets_the_hub_is_a_config_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match="pip install datasets"):
        read_corpus(["conll2003"], "train", ENTITY_LABELS)


def test_conll_2003_has_the_published_counts(shared):
    folder = shared / "data" / "conll2003"
    for split, sentences, entities in (("train", 14_041, 23_499), ("dev", 3_250, 5_942)):
        corpus = read_corpus([str(folder / f"{split}.conll")], split, ENTITY_LABELS)
        begun = sum(tag.startswith("B-") for sentence in names(corpus) for tag in sentence)
        assert (len(corpus.words), begun) == (sentences, entities)
