"""A bundle turned back into a Hugging Face folder: the very weights that it computes with."""

from pathlib import Path
from typing import Any

from ..engine.backends.torch.weights import load_weights
from ..engine.bundle import Bundle
from ..engine.errors import BundleError
from ..kernels.encoder import NAMES, EncoderConfig

_SPECIALS = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
}


def write_checkpoint(bundle: Bundle, folder: Path) -> None:
    """Writes the model and tokenizer of a bundle as transformers loads them, in fp32.

    Raises:
        BackendError, BundleError: the bundle holds no weights that can be read.
    """
    from transformers import PreTrainedTokenizerFast

    config, weights = load_weights(bundle)
    if not isinstance(config, EncoderConfig):
        raise BundleError(
            f"{bundle.name} is of {bundle.architecture}, whose checkpoint is not made of a bundle; "
            "export the checkpoint that it came from"
        )
    for key in [key for key in weights if key.endswith("token_type_embeddings.weight")]:
        # Only the first type is in use; optimum's export feeds two.
        weights[key] = weights[key][:1].repeat(2, 1)
    classifier = _classifier(bundle, config, weights)
    # An exported ALBERT's graph names the weights that its layers share once for each layer.
    classifier.load_state_dict({name: weights[name].float() for name in classifier.state_dict()})
    classifier.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(bundle.tokenizer_path()), model_max_length=bundle.max_length
    )
    known = tokenizer.get_vocab()
    for role, names in _SPECIALS.items():
        if name := next((name for name in names if name in known), None):
            setattr(tokenizer, role, name)
    tokenizer.save_pretrained(folder)


def _classifier(bundle: Bundle, config: EncoderConfig, weights: dict[str, Any]) -> Any:
    """A model of the bundle's shape, its weights still to be set."""
    from transformers import AutoConfig, AutoModelForTokenClassification

    def shape(end: str) -> tuple[int, ...]:
        return next(tuple(value.shape) for name, value in weights.items() if name.endswith(end))

    vocabulary, embedding = shape("word_embeddings.weight")
    names = NAMES[config.architecture]
    inner, width = shape(f"{names.up}.weight")
    options = {"embedding_size": embedding} if names.projection else {}
    if config.architecture == "albert":
        options["num_hidden_groups"] = config.groups
    return AutoModelForTokenClassification.from_config(
        AutoConfig.for_model(
            config.architecture,
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=inner,
            max_position_embeddings=shape("position_embeddings.weight")[0],
            type_vocab_size=shape("token_type_embeddings.weight")[0],
            hidden_act="gelu_new" if config.tanh else "gelu",
            layer_norm_eps=config.eps,
            pad_token_id=bundle.pad_id,
            id2label=dict(enumerate(bundle.labels)),
            label2id={name: number for number, name in enumerate(bundle.labels)},
            **options,
        )
    )
