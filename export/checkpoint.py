"""A Hugging Face token classifier on disk or on the hub, loaded without running code it brings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForTokenClassification

from ..engine.bundle import is_path
from ..engine.errors import BundleError, ConfigError
from .tokenizer import load_tokenizer

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]  # what is fetched from the hub
_MAX_LENGTH = 512  # subwords a window; longer ones cost more a word and know little more


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded classifier and what its files say about it."""

    name: str
    source: str  # hub id, or the folder's name: where it stood is nobody's business
    model: Any  # transformers.PreTrainedModel, fp32, in evaluation mode
    tokenizer: Any  # transformers.PreTrainedTokenizerFast
    labels: tuple[str, ...]
    max_length: int  # subwords, special tokens included
    pad_id: int
    revision: str  # commit of the hub, "" for a folder


def load_checkpoint(source: str, revision: str | None = None) -> Checkpoint:
    """Loads a token classifier.

    source: a folder (starts with ./ ../ ~ / or exists), or a hub id such as org/name
    revision: branch, tag or commit on the hub; None for its main branch

    Raises:
        BundleError: it is no token classifier with safetensors and a fast tokenizer.
        ConfigError: a folder has no revisions.
    """
    folder, commit = find_checkpoint(source, revision)
    _check_config(folder)
    try:
        with without_scripts():
            model = AutoModelForTokenClassification.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation="eager",  # the plainest graph, which runtimes fuse best
            ).eval()
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise BundleError(f"{source} cannot be loaded: {error}") from error
    tokenizer = load_tokenizer(folder)
    pad_id = getattr(model.config, "pad_token_id", None) or 0
    if tokenizer.pad_token is None:  # transformers pads no rows without one
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id)
    return Checkpoint(
        name=source.rpartition("/")[2] if commit else folder.resolve().name,
        source=source if commit else folder.resolve().name,
        model=model,
        tokenizer=tokenizer,
        labels=tuple(model.config.id2label[number] for number in range(model.config.num_labels)),
        max_length=_max_length(model),
        pad_id=pad_id,
        revision=commit,
    )


@contextmanager
def without_scripts() -> Iterator[None]:
    """Lets models be imported without torch.jit.script.

    Scripted functions (DeBERTa has some) leave branches in the ONNX graph that OpenVINO cannot run;
    plain ones are traced through.
    """
    script = torch.jit.script
    torch.jit.script = lambda function, *_, **__: function
    try:
        yield
    finally:
        torch.jit.script = script


def find_checkpoint(source: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a checkpoint, fetched if it is on the hub, and its commit there or "".

    Raises:
        BundleError: there is no such folder, and the hub does not give it.
        ConfigError: a folder has no revisions.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        if revision:
            raise ConfigError(f"{source} is a folder; only models on the hub have a --revision")
        return path, ""
    if is_path(source) or source.count("/") != 1:
        raise BundleError(
            f"{source} is no folder; expected one with a Hugging Face token classifier, "
            "or a hub id such as org/name"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(source, revision=revision, allow_patterns=_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        wanted = f"{source} at revision {revision}" if revision else source
        raise BundleError(f"{wanted} is no folder, and the hub did not give it: {error}") from error
    return found, found.name


def _check_config(folder: Path) -> None:
    """Refuses what is no token classifier, before weights are loaded."""
    path = folder / "config.json"
    if not path.is_file():
        raise BundleError(f"{folder} holds no config.json; expected a Hugging Face model")
    try:
        config = json.loads(path.read_bytes())
        kind, heads = config["model_type"], config.get("architectures") or ["nothing"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is no model configuration: {error!r}") from error
    if "auto_map" in config:
        raise BundleError(f"{folder} brings its own Python code, which nerx never runs")
    if not any(head.endswith("ForTokenClassification") for head in heads):
        raise BundleError(
            f"{folder} holds {', '.join(heads)}; expected a token classifier such as "
            f"{kind.title()}ForTokenClassification: fine-tune it first (`nerx finetune`)"
        )
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise BundleError(
            f"{folder} holds no model.safetensors; nerx reads no pickles (pytorch_model.bin): "
            "load the model with transformers and save_pretrained(safe_serialization=True)"
        )


def _max_length(model: Any) -> int:
    positions = getattr(model.config, "max_position_embeddings", None) or _MAX_LENGTH
    for name, part in model.named_modules():
        # RoBERTa and its kin number positions from behind the padding's own.
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            positions = part.num_embeddings - part.padding_idx - 1
    return min(int(positions), _MAX_LENGTH)
