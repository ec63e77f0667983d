"""Small random models for the torch backend: as transformers, as backends, as bundles."""

from pathlib import Path

import numpy as np
import torch

from nerx.engine.backends.torch.backend import TorchBackend
from nerx.engine.bundle import Artifact, Bundle, file_hashes
from nerx.engine.types import Batch
from nerx.kernels.architectures import config_from_hugging_face

from ....kernels.models import LONGEST, VOCABULARY


def backend_of(model, **options) -> TorchBackend:
    config = config_from_hugging_face(model.config.to_dict())
    return TorchBackend(config, model.state_dict(), **{"device": "cpu"} | options)


def random_batch(seed: int, lengths: list[int]) -> Batch:
    random = np.random.default_rng(seed)
    width = max(lengths)
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)
    ids = random.integers(4, VOCABULARY, mask.shape) * mask  # the first ones are special
    wanted = np.flatnonzero(mask.reshape(-1) * (random.random(mask.size) < 0.6))
    return Batch(ids, mask, wanted)


def expected_logits(model, batch: Batch) -> np.ndarray:
    """What transformers gives for the padded batch."""
    with torch.no_grad():
        logits = model(
            input_ids=torch.from_numpy(batch.input_ids),
            attention_mask=torch.from_numpy(batch.attention_mask),
        ).logits
    return logits.flatten(0, 1)[batch.word_index].numpy()


def bundle_of(folder: Path, form: str, precision: str, name: str) -> Bundle:
    (folder / "tokenizer.json").write_text("{}")
    Bundle(
        folder=folder,
        name="tiny",
        architecture="bert",
        labels=tuple("ABCDE"),
        scheme=None,
        unit="words",
        max_length=LONGEST,
        pad_id=0,
        tokenizer=file_hashes(folder, ["tokenizer.json"]),
        artifacts=(Artifact(format=form, precision=precision, files=file_hashes(folder, [name])),),
    ).write_manifest()
    return Bundle.load(folder)
