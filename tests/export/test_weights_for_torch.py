"""The torch backend reads its weights out of the graphs that `nerx export` makes, int8 ones too."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
for needed in ("torch", "safetensors", "optimum", "nncf"):
    pytest.importorskip(needed)

from nerx.engine.backends.torch.backend import TorchBackend  # noqa: E402
from nerx.engine.backends.torch.weights import load_weights  # noqa: E402
from nerx.export.onnx import to_onnx  # noqa: E402
from nerx.export.precision import to_fp16  # noqa: E402
from nerx.export.quantize import quantize  # noqa: E402
from nerx.kernels.architectures import config_from_hugging_face  # noqa: E402

from ..engine.backends.torch.torch_models import (  # noqa: E402
    bundle_of,
    expected_logits,
    random_batch,
)
from ..kernels.models import ARCHITECTURES, LONGEST, classifier  # noqa: E402


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request: pytest.FixtureRequest):
    """A model, and its graphs by precision."""
    model = classifier(request.param, vocab_size=1100, num_hidden_layers=2)
    graph = to_onnx(SimpleNamespace(model=model, labels=tuple("ABCDE"), max_length=LONGEST))
    batches = [random_batch(seed, [20] * 8) for seed in range(4)]
    names = ("input_ids", "attention_mask", "word_index")
    feeds = [{name: getattr(batch, name) for name in names} for batch in batches]
    return model, {
        "fp32": graph,
        "fp16": to_fp16(graph, feeds[:1]),
        "int8": quantize(graph, feeds),
    }


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_weights_of_exported_graphs_are_those_of_the_model(
    tmp_path: Path, precision: str, exported
) -> None:
    model, graphs = exported
    onnx.save(graphs[precision], tmp_path / "model.onnx")
    config, weights = load_weights(bundle_of(tmp_path, "onnx", precision, "model.onnx"))
    wanted = config_from_hugging_face(model.config.to_dict())
    assert replace(config, eps=wanted.eps) == wanted
    assert config.eps == pytest.approx(wanted.eps, rel=1e-6)
    truth = dict(model.state_dict())
    kinds = f"{getattr(wanted, 'architecture', '')}.embeddings.token_type_embeddings.weight"
    for held in (truth, weights):
        if kinds in held:
            held[kinds] = held[kinds][:1]  # the only one there is use for
    # Of the norm; int8 export corrects biases on purpose.
    allowed = {"fp32": 0, "fp16": 1e-3, "int8": 0.1}[precision]
    for name, weight in truth.items():
        assert (weights[name] - weight).norm() <= allowed * weight.norm(), name
    batch = random_batch(3, [LONGEST] * 20)
    labels = TorchBackend(config, weights, device="cpu").run(batch).label_ids
    agreed = np.mean(labels == expected_logits(model, batch).argmax(axis=1))
    assert agreed >= {"fp32": 1, "fp16": 0.99, "int8": 0.9}[precision]
