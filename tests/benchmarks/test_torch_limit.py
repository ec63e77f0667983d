"""The limit of a GPU, measured by torch; here on a CPU."""

import pytest

pytest.importorskip("torch")

from nerx.benchmarks.driver import Task
from nerx.benchmarks.limits import torch as torch_limit
from nerx.benchmarks.limits.products import read_products
from nerx.engine.bundle import Bundle


def test_it_multiplies_what_the_model_multiplies():
    bundle = Bundle.load("zh")
    driver = torch_limit.open_driver(Task(model=str(bundle.folder), joint="", batch_tokens=64))
    products = read_products(bundle)
    assert products
    weights = torch_limit.make_weights(products, {"device": "cpu"})
    assert len(weights) == 12 * 6
    assert [tuple(weight.shape[::-1]) for weight in weights] == [*products.weights]
    driver.run(0)
    rates = driver.report()
    assert 1e8 < rates["operations_per_s"] < 1e15
    assert 1e7 < rates["copied_bytes_per_s"] < 1e13
    assert driver.facts["computed_in"] == "float32"
