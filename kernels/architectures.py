"""Which encoder computes which model; all are called alike, over the same packed batches."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from . import encoder
from .encoder import EncoderConfig, PackedEncoder
from .modernbert import ModernBertConfig, ModernBertEncoder

MODEL_TYPES = (*encoder.MODEL_TYPES, "modernbert")
Config = EncoderConfig | ModernBertConfig
Encoder = PackedEncoder | ModernBertEncoder


def config_from_hugging_face(config: Mapping[str, Any]) -> Config:
    """Reads a `config.json`.

    Raises:
        ValueError: the model is none that an encoder here computes.
    """
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        raise ValueError(f"model_type is {kind!r}; expected {', '.join(sorted(MODEL_TYPES))}")
    reader = ModernBertConfig if kind == "modernbert" else EncoderConfig
    return reader.from_hugging_face(config)


def make_encoder(
    config: Config,
    weights: Mapping[str, Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Encoder:
    """The encoder of a model, its weights by their Hugging Face names.

    Raises:
        ValueError: a weight is missing or of a shape that does not fit.
    """
    if isinstance(config, ModernBertConfig):
        return ModernBertEncoder(config, weights, dtype=dtype, device=device)
    return PackedEncoder(config, weights, dtype=dtype, device=device)
