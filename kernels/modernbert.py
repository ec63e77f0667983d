"""ModernBERT over packed sequences: no padding, every row of every matrix product is real.

A layer, for the hidden states h of all sequences of a batch, one after the other:

    h = h + attention(rotary(norm(h) @ QKV)) @ O         without this norm in the first layer
    h = h + geglu(norm(h) @ U) @ D

then norm(gelu(norm(h) @ H)), which the classifier reads. Nothing has a bias but the classifier.
Local layers attend to the subwords that are `window` away at most, and turn by angles of their own.
Source: Warner et al., ModernBERT, arXiv 2412.13663; Su et al., RoFormer, arXiv 2104.09864.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import embedding, layer_norm, linear

from .attention import attention
from .encoder import Affine, find_weight
from .geglu import geglu
from .linear_gelu import linear_gelu
from .rotary import rotary, rotary_table

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_BIASES = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")
_THETA, _LOCAL_THETA = 160_000.0, 10_000.0  # where a configuration does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ModernBertConfig:
    """What the weights do not tell about a model."""

    heads: int
    eps: float  # of every layer norm
    local: tuple[bool, ...]  # of each layer, whether its attention is
    window: int  # subwords on either side that local attention takes part in
    theta: float  # of the angles of global layers
    local_theta: float
    longest: int  # subwords of a sequence

    @classmethod
    def from_hugging_face(cls, config: Mapping[str, Any]) -> Self:
        """Reads a `config.json`, with the keys of transformers 4 or 5.

        Raises:
            ValueError: the model is none that this encoder computes.
        """
        for name in ("hidden_activation", "classifier_activation"):
            if config.get(name, "gelu") != "gelu":
                raise ValueError(f"{name} is {config[name]!r}; expected gelu")
        if biases := [name for name in _BIASES if config.get(name)]:
            raise ValueError(f"{', '.join(biases)} is true; expected a ModernBERT without biases")
        layers = int(config["num_hidden_layers"])
        every = int(config.get("global_attn_every_n_layers", 3))
        kinds = config.get("layer_types") or [
            _LOCAL if number % every else _GLOBAL for number in range(layers)
        ]
        if len(kinds) != layers or set(kinds) - {_GLOBAL, _LOCAL}:
            raise ValueError(f"layer_types are {kinds}; expected {_GLOBAL} or {_LOCAL} {layers} x")
        theta = _theta(config, _GLOBAL, config.get("global_rope_theta", _THETA))
        local_theta = config.get("local_rope_theta", _LOCAL_THETA)
        return cls(
            heads=int(config["num_attention_heads"]),
            eps=float(config["norm_eps"]),
            local=tuple(kind == _LOCAL for kind in kinds),
            window=int(config["local_attention"]) // 2,
            theta=theta,
            local_theta=_theta(config, _LOCAL, theta if local_theta is None else local_theta),
            longest=int(config["max_position_embeddings"]),
        )


def _theta(config: Mapping[str, Any], kind: str, other: float) -> float:
    """The base of the angles of such layers; `other` where no key of transformers 5 has it."""
    rope = (config.get("rope_parameters") or {}).get(kind) or {}
    for said in (rope, config.get("rope_scaling") or {}):
        scaling = said.get("rope_type", said.get("type", "default"))
        if scaling != "default":
            raise ValueError(f"the rotary positions are scaled ({scaling}); expected plain ones")
    return float(rope.get("rope_theta", other))


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer, all (out, in) but the norms'."""

    norm: Tensor | None  # (width,); None in the first layer, whose input is normalised
    qkv: Tensor  # (3 * width, width): query, key and value in one product
    out: Tensor
    inner_norm: Tensor  # (width,)
    up: Tensor  # (2 * inner, width)
    down: Tensor


class ModernBertEncoder:
    """A ModernBERT token classifier's encoder and classifier, on one device in one precision.

    weights: by their Hugging Face names, such as model.layers.0.mlp.Wo.weight

    Raises:
        ValueError: a weight is missing or of a shape that does not fit.
    """

    def __init__(
        self,
        config: ModernBertConfig,
        weights: Mapping[str, Tensor],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.dtype = dtype
        self._checked = False  # whether a batch has shown that the weights fit together

        def place(name: str) -> Tensor:
            return find_weight(weights, name).to(self.device, dtype).contiguous()

        self.classifier: Affine = place("classifier.weight"), place("classifier.bias")
        self.width = self.classifier[0].shape[1]
        size = self.width // config.heads
        if self.width % config.heads or size % 2:
            raise ValueError(f"{config.heads} heads do not divide the width {self.width} evenly")
        # Nothing but the norm follows the lookup, so that the table is normalised instead.
        at = "model.embeddings"
        self.words = self._norm(place(f"{at}.tok_embeddings.weight"), place(f"{at}.norm.weight"))
        self.places = rotary_table(config.longest, size, config.theta).to(self.device)
        self._local = rotary_table(config.longest, size, config.local_theta).to(self.device)
        self.layers = [
            Layer(
                norm=place(f"{at}.attn_norm.weight") if number else None,
                qkv=place(f"{at}.attn.Wqkv.weight"),
                out=place(f"{at}.attn.Wo.weight"),
                inner_norm=place(f"{at}.mlp_norm.weight"),
                up=place(f"{at}.mlp.Wi.weight"),
                down=place(f"{at}.mlp.Wo.weight"),
            )
            for number, at in enumerate(f"model.layers.{n}" for n in range(len(config.local)))
        ]
        self._last_norm = place("model.final_norm.weight")
        self._head, self._head_norm = place("head.dense.weight"), place("head.norm.weight")
        self._no_bias = self._head.new_zeros(self.width)

    def __call__(self, ids: Tensor, positions: Tensor, begin: Tensor, longest: int) -> Tensor:
        """What the classifier reads, the output of the prediction head: (subwords, width).

        ids, positions: (subwords,) int32, inside the tables
        begin: (sequences + 1,) int32; longest: subwords of the longest sequence
        Call it within `torch.inference_mode()`.
        """
        config, check = self.config, not self._checked
        hidden = embedding(ids, self.words)
        for layer, local in zip(self.layers, config.local, strict=True):
            normed = hidden if layer.norm is None else self._norm(hidden, layer.norm)
            qkv = linear(normed, layer.qkv).unflatten(1, (3, config.heads, -1))
            rotary(qkv, positions, self._local if local else self.places, check=check)
            window = config.window if local else None
            mixed = attention(qkv, begin, longest, window=window, check=check)
            hidden = torch.addmm(hidden, mixed, layer.out.T)
            inner = geglu(linear(self._norm(hidden, layer.inner_norm), layer.up), check=check)
            hidden = torch.addmm(hidden, inner, layer.down.T)
        hidden = self._norm(hidden, self._last_norm)
        hidden = linear_gelu(hidden, self._head, self._no_bias, check=check)
        self._checked = True
        return self._norm(hidden, self._head_norm)

    def _norm(self, x: Tensor, gamma: Tensor) -> Tensor:
        return layer_norm(x, (self.width,), gamma, None, self.config.eps)
