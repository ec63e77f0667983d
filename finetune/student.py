"""A small model cut from a large one: its lower layers, and the widths that matter most in them.

Sources: Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation"
(2024), for widths; Sajjad et al., "On the Effect of Dropping Layers of Pre-trained Transformer
Models" (2023), for keeping the lower layers.
"""

import copy
import re
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from ..engine.errors import ConfigError

FAMILIES = ("bert", "camembert", "roberta", "xlm-roberta")  # their weights have the same names


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a student keeps of each axis of its teacher's weights.

    channels: (width,) of the hidden states
    rows: for each layer, of queries, keys and values: those of the heads it keeps
    neurons: for each layer, of the feed-forward's inner activations
    """

    channels: Tensor
    rows: list[Tensor]
    neurons: list[Tensor]


def cut(
    teacher: PreTrainedModel,
    layers: int,
    width: int,
    inner: int | None,
    attention: str,
    dropout: tuple[float, float] = (0.0, 0.0),
) -> PreTrainedModel:
    """A classifier of so many layers and hidden channels, its weights those of the teacher.

    inner: neurons of each feed-forward; None for as many a channel as the teacher has
    dropout: of hidden states and of attention

    Raises: ConfigError for another architecture, or a size that does not fit into the teacher's.
    """
    config = copy.deepcopy(teacher.config)
    _check(config, layers, width, inner)
    share = width / config.hidden_size
    config.num_hidden_layers, config.hidden_size = layers, width
    config.num_attention_heads = round(config.num_attention_heads * share)
    config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout
    config.intermediate_size = inner or round(config.intermediate_size * share)
    student = AutoModelForTokenClassification.from_config(
        config, dtype=torch.float32, attn_implementation=attention
    )
    weights = teacher.state_dict()
    kept = _most_important(weights, config, teacher.config.num_attention_heads)
    student.load_state_dict(
        {name: _slice(name, weights[name], kept) for name in student.state_dict()}
    )
    return student


def _check(config: object, layers: int, width: int, inner: int | None) -> None:
    kind, hidden = config.model_type, config.hidden_size  # type: ignore[attr-defined]
    head = hidden // config.num_attention_heads  # type: ignore[attr-defined]
    if kind not in FAMILIES:
        raise ConfigError(
            f"the first teacher is a {kind}; students are cut from {', '.join(FAMILIES)}; "
            "give another student by --base, or put a teacher of these first"
        )
    deepest = config.num_hidden_layers  # type: ignore[attr-defined]
    if not layers <= deepest or width > hidden or width % head:
        raise ConfigError(
            f"the student has {layers} layers of width {width}; expected at most {deepest} layers, "
            f"and a multiple of {head} up to {hidden}, as its teacher has"
        )
    neurons = config.intermediate_size  # type: ignore[attr-defined]
    if inner and inner > neurons:
        raise ConfigError(f"the student has {inner} neurons; its teacher has {neurons}")


def _most_important(weights: dict[str, Tensor], config: object, heads: int) -> _Kept:
    """By what reaches the next product: the size of an activation times that of its weights."""
    layers = range(config.num_hidden_layers)  # type: ignore[attr-defined]
    width, inner = config.hidden_size, config.intermediate_size  # type: ignore[attr-defined]
    kept_heads = config.num_attention_heads  # type: ignore[attr-defined]

    def of_layer(layer: int, name: str) -> Tensor:
        return next(
            w for key, w in weights.items() if key.endswith(f"encoder.layer.{layer}.{name}")
        )

    hidden = len(of_layer(0, "output.LayerNorm.weight"))
    channels = torch.zeros(hidden)
    rows, neurons = [], []
    for layer in layers:
        value, out = (
            of_layer(layer, f"attention.{name}.weight") for name in ("self.value", "output.dense")
        )
        up, down = (of_layer(layer, f"{name}.dense.weight") for name in ("intermediate", "output"))
        norm = [
            of_layer(layer, f"attention.output.LayerNorm.{kind}") for kind in ("weight", "bias")
        ]
        channels += (norm[0] ** 2 + norm[1] ** 2) * (up**2).sum(0)
        of_head = ((value**2).sum(1) * (out**2).sum(0)).view(heads, -1)
        chosen = of_head.sum(1).topk(kept_heads).indices.sort().values
        rows.append(torch.arange(hidden).view(heads, -1)[chosen].flatten())
        neurons.append(((up**2).sum(1) * (down**2).sum(0)).topk(inner).indices.sort().values)
    return _Kept(channels.topk(width).indices.sort().values, rows, neurons)


def _slice(name: str, weight: Tensor, kept: _Kept) -> Tensor:
    found = re.search(r"\.layer\.(\d+)\.", name)
    layer = int(found[1]) if found else 0
    everything = torch.arange(len(weight))
    if ".self." in name:
        axes = (kept.rows[layer], kept.channels)
    elif ".intermediate." in name:
        axes = (kept.neurons[layer], kept.channels)
    elif ".attention.output.dense." in name:
        axes = (kept.channels, kept.rows[layer])
    elif ".output.dense." in name:
        axes = (kept.channels, kept.neurons[layer])
    elif "LayerNorm" in name:
        axes = (kept.channels, everything)
    else:  # embeddings and the classifier
        axes = (everything, kept.channels)
    return weight[axes[0]] if weight.dim() == 1 else weight[axes[0]][:, axes[1]]
