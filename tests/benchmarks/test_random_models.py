"""Models with random weights are as much work as trained ones: few labels are illegal."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tokenizers import Tokenizer

from nerx.benchmarks.random_models import SIZES, write_bundle
from nerx.engine.config import LabelConfig
from nerx.engine.labels.decoding import illegal_runs
from nerx.engine.model import Model
from nerx.export.sample import builtin_sample


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tokenizers, in its own module
@pytest.mark.parametrize("name", SIZES)
def test_one_document_in_a_hundred_or_fewer_needs_viterbi(name: str, tmp_path: Path) -> None:
    bundle = write_bundle(name, tmp_path / "bundle", toy=True)
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path()))
    sample = builtin_sample(tokenizer, bundle.unit)
    config = LabelConfig(decode="argmax")
    with Model(bundle, backend="torch", device="cpu", config=config) as model:
        encoded = model.encoder.encode(sample.records())
        [found] = model.labeller.label([encoded])
        illegal = illegal_runs(found.label_ids, encoded.doc_words, model.scheme, 0)
    documents = np.searchsorted(encoded.doc_words, illegal[:, 0], side="right")
    assert len(np.unique(documents)) <= 0.02 * len(sample.words)
    roles = np.array([label[0] for label in bundle.labels])[found.label_ids]
    if "O" in roles:  # of segmentation, nearly every character is a word
        assert 0.05 < (roles == "B").mean() < 0.25
    assert 0 < (roles == "I").mean() < 0.005
