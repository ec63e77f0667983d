"""BERT and ALBERT over packed sequences: no padding, every row of every matrix product is real.

A layer, for the hidden states h of all sequences of a batch, one after the other:

    a = residual_norm(attention(h @ QKV + b) @ O, bias, h)
    h = residual_norm(bias_gelu(a @ U, bias) @ D, bias, a)

ALBERT differs in two places only: its embeddings are narrower and projected to the width of the
layers, and the layers of a group are one.
Source: Devlin et al., BERT, arXiv 1810.04805; Lan et al., ALBERT, arXiv 1909.11942.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import linear

from .attention import attention
from .bias_gelu import bias_gelu
from .embedding_norm import embedding_norm
from .residual_norm import residual_norm

Affine = tuple[Tensor, Tensor]  # weight (out, in) and bias (out,); of a norm: gamma, beta

_ERF = ("gelu",)
_TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What the weights do not tell about a model."""

    architecture: str  # "bert" or "albert"
    layers: int
    heads: int
    eps: float  # of every layer norm
    tanh: bool  # GELU by tanh, not by erf
    groups: int = 1  # of layers with weights of their own, in ALBERT

    @classmethod
    def from_hugging_face(cls, config: Mapping[str, Any]) -> Self:
        """Reads a `config.json`.

        Raises:
            ValueError: the model is none that this encoder computes.
        """
        kind, act = config.get("model_type"), config.get("hidden_act")
        if kind not in ("bert", "albert"):
            raise ValueError(f"model_type is {kind!r}; expected 'bert' or 'albert'")
        if act not in (*_ERF, *_TANH):
            raise ValueError(f"hidden_act is {act!r}; expected {', '.join((*_ERF, *_TANH))}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError("the position embeddings are relative; expected absolute ones")
        if config.get("inner_group_num", 1) != 1 or config.get("is_decoder"):
            raise ValueError("the model is a decoder or has inner groups; expected a plain encoder")
        return cls(
            architecture=kind,
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            eps=float(config["layer_norm_eps"]),
            tanh=act in _TANH,
            groups=int(config.get("num_hidden_groups", 1)),
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one transformer layer."""

    qkv: Affine  # (3 * width, width): query, key and value in one product
    out: Affine
    out_norm: Affine
    up: Affine
    down: Affine
    down_norm: Affine


class PackedEncoder:
    """A token classifier's encoder and classifier, on one device in one precision.

    weights: by their Hugging Face names, such as bert.encoder.layer.0.output.dense.weight

    Raises:
        ValueError: a weight is missing or of a shape that does not fit.
    """

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, Tensor],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.dtype = dtype
        self._weights = weights
        root = config.architecture
        words, kinds, places = (
            self._find(f"{root}.embeddings.{name}_embeddings.weight")
            for name in ("word", "token_type", "position")
        )
        self.words = self._place(words)
        self.places = self._place(places.float() + kinds[0].float())
        self.norm = self._affine(f"{root}.embeddings.LayerNorm")
        self.projection = None
        if root == "albert":
            self.projection = self._affine("albert.encoder.embedding_hidden_mapping_in")
            stack = [self._albert_layer(group) for group in range(config.groups)]
            owner = [number * config.groups // config.layers for number in range(config.layers)]
            self.layers = [stack[group] for group in owner]
        else:
            self.layers = [self._bert_layer(number) for number in range(config.layers)]
        self.classifier = self._affine("classifier")
        self.width = self.classifier[0].shape[1]
        if self.width % config.heads:
            raise ValueError(f"{config.heads} heads do not divide the width {self.width}")
        del self._weights

    def __call__(self, ids: Tensor, positions: Tensor, begin: Tensor, longest: int) -> Tensor:
        """Hidden states of the last layer: (subwords, width).

        ids, positions: (subwords,) int32, inside the tables
        begin: (sequences + 1,) int32; longest: subwords of the longest sequence
        Call it within `torch.inference_mode()`.
        """
        eps, heads = self.config.eps, self.config.heads
        hidden = embedding_norm(ids, positions, self.words, self.places, *self.norm, eps)
        if self.projection:
            hidden = linear(hidden, *self.projection)
        for layer in self.layers:
            qkv = linear(hidden, *layer.qkv).unflatten(1, (3, heads, self.width // heads))
            mixed = linear(attention(qkv, begin, longest), layer.out[0])
            hidden = residual_norm(mixed, layer.out[1], hidden, *layer.out_norm, eps)
            inner = bias_gelu(linear(hidden, layer.up[0]), layer.up[1], tanh=self.config.tanh)
            outer = linear(inner, layer.down[0])
            hidden = residual_norm(outer, layer.down[1], hidden, *layer.down_norm, eps)
        return hidden

    def _bert_layer(self, number: int) -> Layer:
        at = f"bert.encoder.layer.{number}"
        return Layer(
            qkv=self._qkv(f"{at}.attention.self"),
            out=self._affine(f"{at}.attention.output.dense"),
            out_norm=self._affine(f"{at}.attention.output.LayerNorm"),
            up=self._affine(f"{at}.intermediate.dense"),
            down=self._affine(f"{at}.output.dense"),
            down_norm=self._affine(f"{at}.output.LayerNorm"),
        )

    def _albert_layer(self, group: int) -> Layer:
        at = f"albert.encoder.albert_layer_groups.{group}.albert_layers.0"
        return Layer(
            qkv=self._qkv(f"{at}.attention"),
            out=self._affine(f"{at}.attention.dense"),
            out_norm=self._affine(f"{at}.attention.LayerNorm"),
            up=self._affine(f"{at}.ffn"),
            down=self._affine(f"{at}.ffn_output"),
            down_norm=self._affine(f"{at}.full_layer_layer_norm"),
        )

    def _qkv(self, at: str) -> Affine:
        parts = [f"{at}.{name}" for name in ("query", "key", "value")]
        weight = torch.cat([self._find(f"{part}.weight") for part in parts])
        bias = torch.cat([self._find(f"{part}.bias") for part in parts])
        return self._place(weight), self._place(bias)

    def _affine(self, at: str) -> Affine:
        return self._place(self._find(f"{at}.weight")), self._place(self._find(f"{at}.bias"))

    def _find(self, name: str) -> Tensor:
        if name not in self._weights:
            raise ValueError(f"the model has no weight {name}")
        return self._weights[name]

    def _place(self, weight: Tensor) -> Tensor:
        return weight.to(self.device, self.dtype).contiguous()
