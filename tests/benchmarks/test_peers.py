"""nerx without a model, and a model without nerx, as systems that take turns with the others."""

import json
from pathlib import Path
from typing import Any

import pytest

from nerx.benchmarks.driver import Task
from nerx.benchmarks.limits.products import _of_config
from nerx.benchmarks.peers import alone, hashed, libraries

DOCUMENTS = [["Paris", "is", "in", "France", "."] for _ in range(100)]


def test_a_model_alone_gets_what_nerx_would_give_it(tiny: Path) -> None:
    task = Task(model=str(tiny), joint=" ", backend="openvino", batch_tokens=10_000)
    driver = alone.open_driver(task)
    driver.prepare(DOCUMENTS, 3)
    assert len(driver._batches) == 1  # copies fill batches, as the documents of a long text do
    driver.run(0)
    found = driver.report()
    # two special tokens a document; a word is a subword or more; equal lengths need no padding
    assert found["subwords"] == found["positions"] >= 3 * 100 * 7
    assert driver.spans(10) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_nerx_without_a_model_labels_text_with_new_words(tiny: Path, workers: int) -> None:
    driver = hashed.open_driver(Task(model=str(tiny), joint=" ", workers=workers))
    driver.prepare(DOCUMENTS, 4)
    lines = driver.input.read_text().splitlines()
    words = " ".join(json.loads(line)["text"] for line in lines).split()
    new = [word for word in words if word not in DOCUMENTS[0]]
    assert len(words) == 4 * 100 * 5
    assert len(new) == len(set(new)) == len(words) // 100
    driver.run(0)
    assert driver.report()["subwords"] >= len(words)
    driver.folder.cleanup()


@pytest.mark.filterwarnings("ignore")  # of their own code, in newer Pythons
@pytest.mark.parametrize("peer", ["jieba", "thulac"])
def test_a_segmenter_cuts_a_text_without_gaps(peer: str) -> None:
    pytest.importorskip(peer)
    text = "我爱北京天安门"
    driver = getattr(libraries, f"open_{peer}")(Task(model="", joint=""))
    driver.prepare([[*text]], 2)
    driver.run(0)
    (spans,) = driver.spans(1)
    assert "".join(text[first:end] for first, end, _ in spans) == text
    assert "北京" in {text[first:end] for first, end, _ in spans}


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_the_products_of_a_configuration_are_those_that_the_model_runs(kind: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3}
    config = transformers.AutoConfig.for_model(kind, **sizes, num_attention_heads=4, vocab_size=9)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    ran: list[Any] = []
    for part in model.modules():
        if isinstance(part, torch.nn.Linear) and part is not model.classifier:
            part.register_forward_hook(lambda one, *_: ran.append(one.weight))
    model(input_ids=torch.zeros(1, 8, dtype=torch.int64))
    products = _of_config(config.to_dict())
    assert [tuple(weight.shape)[::-1] for weight in ran] == list(products.weights)
    first = [next(n for n, other in enumerate(ran) if other is weight) for weight in ran]
    assert first == list(products.copies)
