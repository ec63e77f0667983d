"""BERT and its kin over packed sequences: no padding, every row of every matrix product is real.

A layer, for the hidden states h of all sequences of a batch, one after the other:

    a = residual_norm(attention(h @ QKV + b) @ O, bias, h)
    h = residual_norm(linear_gelu(a, U, bias) @ D, bias, a)

Architectures differ in the names of their weights, and in three places only: the embeddings of
ALBERT and ELECTRA may be narrower, and are projected to the width of the layers; ALBERT's layers of
a group are one; RoBERTa's positions do not begin in the first row of their table.
Source: Devlin et al., BERT, arXiv 1810.04805; Lan et al., ALBERT, arXiv 1909.11942.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import linear

from .attention import attention
from .embedding_norm import embedding_norm
from .linear_gelu import linear_gelu
from .residual_norm import residual_norm

Affine = tuple[Tensor, Tensor]  # weight (out, in) and bias (out,); of a norm: gamma, beta

_ERF = ("gelu",)
_TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How Hugging Face calls the weights of an architecture."""

    root: str
    layer: str = "encoder.layer.{}"
    qkv: tuple[str, str, str] = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    )
    out: str = "attention.output.dense"
    out_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    down_norm: str = "output.LayerNorm"
    projection: str | None = None  # from the width of the embeddings to that of the layers
    token_types: bool = True  # whether there are embeddings of them; type 0 is all that is used


_BERT = Names(root="bert")
NAMES = {
    "bert": _BERT,
    "roberta": replace(_BERT, root="roberta"),
    "electra": replace(_BERT, root="electra", projection="embeddings_project"),
    "albert": Names(
        root="albert",
        layer="encoder.albert_layer_groups.{}.albert_layers.0",
        qkv=("attention.query", "attention.key", "attention.value"),
        out="attention.dense",
        out_norm="attention.LayerNorm",
        up="ffn",
        down="ffn_output",
        down_norm="full_layer_layer_norm",
        projection="encoder.embedding_hidden_mapping_in",
    ),
    "distilbert": Names(
        root="distilbert",
        layer="transformer.layer.{}",
        qkv=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        out="attention.out_lin",
        out_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        down_norm="output_layer_norm",
        token_types=False,
    ),
}
MODEL_TYPES = {name: name for name in NAMES} | {"xlm-roberta": "roberta", "camembert": "roberta"}
_DISTILBERT = {  # how its configuration calls what others call so
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "hidden_act": "activation",
}
_DISTILBERT_EPS = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What the weights do not tell about a model."""

    architecture: str  # one of `NAMES`
    layers: int
    heads: int
    eps: float  # of every layer norm
    tanh: bool  # GELU by tanh, not by erf
    groups: int = 1  # of layers with weights of their own, in ALBERT
    first_place: int = 0  # row of the position table for the first subword of a sequence

    @classmethod
    def from_hugging_face(cls, config: Mapping[str, Any]) -> Self:
        """Reads a `config.json` of one of the `MODEL_TYPES`.

        Raises:
            ValueError: the model is none that this encoder computes.
        """
        architecture = MODEL_TYPES[config["model_type"]]
        if architecture == "distilbert":
            config = dict(config) | {name: config[own] for name, own in _DISTILBERT.items()}
            config |= {"layer_norm_eps": _DISTILBERT_EPS}
        act = config.get("hidden_act")
        if act not in (*_ERF, *_TANH):
            raise ValueError(f"hidden_act is {act!r}; expected {', '.join((*_ERF, *_TANH))}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError("the position embeddings are relative; expected absolute ones")
        if config.get("inner_group_num", 1) != 1 or config.get("is_decoder"):
            raise ValueError("the model is a decoder or has inner groups; expected a plain encoder")
        return cls(
            architecture=architecture,
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            eps=float(config["layer_norm_eps"]),
            tanh=act in _TANH,
            groups=int(config.get("num_hidden_groups", 1)),
            first_place=int(config["pad_token_id"]) + 1 if architecture == "roberta" else 0,
        )


def find_weight(weights: Mapping[str, Tensor], name: str) -> Tensor:
    """A weight by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in weights:
        raise ValueError(f"the model has no weight {name}")
    return weights[name]


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
        self._checked = False  # whether a batch has shown that the weights fit together
        self._weights = weights
        self._names = names = NAMES[config.architecture]
        self.classifier = self._affine("classifier")
        self.width = self.classifier[0].shape[1]
        if self.width % config.heads:
            raise ValueError(f"{config.heads} heads do not divide the width {self.width}")
        at = f"{names.root}.embeddings"
        self.words = self._place(self._find(f"{at}.word_embeddings.weight"))
        places = self._find(f"{at}.position_embeddings.weight")[config.first_place :].float()
        if names.token_types:
            places = places + self._find(f"{at}.token_type_embeddings.weight")[0].float()
        self.places = self._place(places)
        self.norm = self._affine(f"{at}.LayerNorm")
        projection = f"{names.root}.{names.projection}"
        narrow = f"{projection}.weight" in weights or self.words.shape[1] != self.width
        self.projection = self._affine(projection) if narrow else None
        # In ALBERT, neighbouring layers of a group are the same.
        own = config.groups if config.architecture == "albert" else config.layers
        stack = [self._layer(number) for number in range(own)]
        self.layers = [stack[number * own // config.layers] for number in range(config.layers)]
        del self._weights

    def __call__(self, ids: Tensor, positions: Tensor, begin: Tensor, longest: int) -> Tensor:
        """Hidden states of the last layer: (subwords, width).

        ids, positions: (subwords,) int32, inside the tables
        begin: (sequences + 1,) int32; longest: subwords of the longest sequence
        Call it within `torch.inference_mode()`.
        """
        eps, heads, check = self.config.eps, self.config.heads, not self._checked
        hidden = embedding_norm(ids, positions, self.words, self.places, *self.norm, eps)
        if self.projection:
            hidden = linear(hidden, *self.projection)
        for layer in self.layers:
            qkv = linear(hidden, *layer.qkv).unflatten(1, (3, heads, self.width // heads))
            mixed = linear(attention(qkv, begin, longest, check=check), layer.out[0])
            hidden = residual_norm(mixed, layer.out[1], hidden, *layer.out_norm, eps, check=check)
            inner = linear_gelu(hidden, *layer.up, tanh=self.config.tanh, check=check)
            hidden = residual_norm(
                linear(inner, layer.down[0]),
                layer.down[1],
                hidden,
                *layer.down_norm,
                eps,
                check=check,
            )
        self._checked = True
        return hidden

    def _layer(self, number: int) -> Layer:
        names = self._names
        at = f"{names.root}.{names.layer.format(number)}"
        parts = [f"{at}.{name}" for name in names.qkv]
        weight = torch.cat([self._find(f"{part}.weight") for part in parts])
        bias = torch.cat([self._find(f"{part}.bias") for part in parts])
        return Layer(
            qkv=(self._place(weight), self._place(bias)),
            out=self._affine(f"{at}.{names.out}"),
            out_norm=self._affine(f"{at}.{names.out_norm}"),
            up=self._affine(f"{at}.{names.up}"),
            down=self._affine(f"{at}.{names.down}"),
            down_norm=self._affine(f"{at}.{names.down_norm}"),
        )

    def _affine(self, at: str) -> Affine:
        return self._place(self._find(f"{at}.weight")), self._place(self._find(f"{at}.bias"))

    def _find(self, name: str) -> Tensor:
        return find_weight(self._weights, name)

    def _place(self, weight: Tensor) -> Tensor:
        return weight.to(self.device, self.dtype).contiguous()
