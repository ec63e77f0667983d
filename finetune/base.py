"""The model that training starts from: its tokenizer, its weights, its fit with the recipe."""

from collections.abc import Sequence

import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ..engine.errors import BundleError, ConfigError
from ..export.tokenizer import load_tokenizer as tokenizer_for_words
from .recipes import Recipe

SAFE = {"trust_remote_code": False, "use_safetensors": True}  # no code, no pickles


def load_tokenizer(base: str, revision: str | None = None) -> PreTrainedTokenizerFast:
    """The base's fast tokenizer as `nerx export` will take it; it cuts and pads nothing by itself.

    Raises: ConfigError where there is no model, or none with a tokenizer.json.
    """
    try:
        return tokenizer_for_words(base, revision)
    except BundleError as error:
        raise _unreadable(base, error) from error


def load_model(recipe: Recipe, base: str, revision: str | None = None) -> PreTrainedModel:
    """The base with a classifier for the recipe's labels, in fp32.

    Raises: ConfigError where there is no model, or its classifier has other labels.
    """
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False, revision=revision)
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    _check_classifier(base, config, recipe.labels)
    changes = {
        "hidden_dropout_prob": recipe.hidden_dropout,
        "attention_probs_dropout_prob": recipe.attention_dropout,
    }
    config.update({name: value for name, value in changes.items() if value is not None})
    config.id2label = dict(enumerate(recipe.labels))
    config.label2id = {label: number for number, label in enumerate(recipe.labels)}
    try:
        return AutoModelForTokenClassification.from_pretrained(
            base,
            config=config,
            dtype=torch.float32,
            attn_implementation=recipe.attention,
            revision=revision,
            **SAFE,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(base, error) from error


def _check_classifier(base: str, config: PretrainedConfig, labels: Sequence[str]) -> None:
    """Refuses a fine-tuned base whose classifier would silently get other labels."""
    architectures = config.architectures or []
    if not any(name.endswith("ForTokenClassification") for name in architectures):
        return
    theirs = tuple(config.id2label[number] for number in range(config.num_labels))
    if theirs != tuple(labels):
        raise ConfigError(
            f"{base} is a classifier of {', '.join(theirs)}, but the recipe has "
            f"{', '.join(labels)}; start from an encoder, or --set labels={','.join(theirs)}"
        )


def window_length(tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel) -> int:
    """The longest row, in subwords with the special tokens, that both can take."""
    return min(tokenizer.model_max_length, model.config.max_position_embeddings)


def multiplies_bf16() -> bool:
    """Whether the hardware multiplies in bfloat16; elsewhere fp32 is several times as fast."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


def _unreadable(base: str, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0]
    return ConfigError(
        f"cannot load the base model {base!r}: {reason} "
        "(expected a folder with config.json, model.safetensors and tokenizer.json, or a hub id)"
    )
