"""The tokenizer of a checkpoint, as transformers makes it for words."""

from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ..engine.errors import BundleError


def load_tokenizer(source: str | Path, revision: str | None = None) -> Any:
    """The fast tokenizer of a model, with all that its configuration changes; it cuts nothing.

    source: folder or hub id
    revision: branch, tag or commit on the hub

    Byte-level BPE gets a space before each word, as in running text: without it, transformers
    refuses given words or reads them as one.

    Returns a transformers.PreTrainedTokenizerFast.

    Raises:
        BundleError: there is none, or only a slow one.
    """
    tokenizer = _load(source, revision=revision)
    if not tokenizer.is_fast:
        raise BundleError(
            f"{source} has only a slow tokenizer ({type(tokenizer).__name__}); "
            "nerx needs a tokenizer.json"
        )
    if _joins_words(tokenizer):
        tokenizer = _load(source, revision=revision, add_prefix_space=True)
        if _joins_words(tokenizer):  # transformers 5 passes the option to some classes only
            tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = True
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _load(source: str | Path, **options: Any) -> Any:
    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
    except Exception as error:  # it raises whatever it stumbles over, TypeError too
        reason = error
    try:  # named after a class that this transformers lacks; its file may do
        return PreTrainedTokenizerFast.from_pretrained(source, **options)
    except Exception:
        raise BundleError(f"{source} holds no tokenizer that can be loaded: {reason}") from reason


def _joins_words(tokenizer: Any) -> bool:
    """Whether it is byte-level BPE that would read words given one by one without spaces."""
    first = tokenizer.backend_tokenizer.pre_tokenizer
    return isinstance(first, pre_tokenizers.ByteLevel) and not first.add_prefix_space
