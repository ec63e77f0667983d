"""A Hugging Face token classifier on disk or on the hub, loaded without running code it brings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoModelForTokenClassification, AutoTokenizer

from ..engine.bundle import is_path
from ..engine.errors import BundleError

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]  # what is fetched from the hub
_BYTE_LEVEL = ("roberta", "xlm-roberta", "deberta", "longformer")
_MAX_LENGTH = 512  # subwords a window; longer ones cost more a word and know little more


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded classifier and what its files say about it."""

    name: str
    source: str  # hub id, or the folder's name: where it stood is nobody's business
    model: Any  # transformers.PreTrainedModel, fp32, in evaluation mode
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    max_length: int  # subwords, special tokens included
    pad_id: int
    revision: str  # commit of the hub, "" for a folder


def load_checkpoint(source: str) -> Checkpoint:
    """Loads a token classifier.

    source: a folder (starts with ./ ../ ~ / or exists), or a hub id such as org/name

    Raises:
        BundleError: it is no token classifier with safetensors and a fast tokenizer.
    """
    folder, revision = find_checkpoint(source)
    config = _config(folder)
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
    labels = tuple(model.config.id2label[number] for number in range(model.config.num_labels))
    tokenizer = _tokenizer(folder, config["model_type"])
    return Checkpoint(
        name=folder.resolve().name if not revision else source.rpartition("/")[2],
        source=folder.resolve().name if not revision else source,
        model=model,
        tokenizer=tokenizer,
        labels=labels,
        max_length=_max_length(model.config),
        pad_id=model.config.pad_token_id or 0,
        revision=revision,
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


def find_checkpoint(source: str) -> tuple[Path, str]:
    """The folder of a checkpoint, fetched if it is on the hub, and its commit there or "".

    Raises:
        BundleError: there is no such folder, and the hub does not give it.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path, ""
    if is_path(source) or source.count("/") != 1:
        raise BundleError(
            f"{source} is no folder; expected one with a Hugging Face token classifier, "
            "or a hub id such as org/name"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(source, allow_patterns=_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BundleError(f"{source} is no folder, and the hub did not give it: {error}") from error
    return found, found.name


def _config(folder: Path) -> dict[str, Any]:
    """Reads config.json and refuses what is no token classifier, before weights are loaded."""
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
    return dict(config)


def _tokenizer(folder: Path, model_type: str) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises Exception itself
            raise BundleError(f"{path} is no tokenizer: {error}") from error
    options = {"add_prefix_space": True} if model_type in _BYTE_LEVEL else {}
    try:
        converted = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **options)
    except Exception as error:  # it raises whatever it stumbles over, TypeError too
        raise BundleError(f"{folder} holds no tokenizer that can be loaded: {error}") from error
    if not converted.is_fast:
        raise BundleError(
            f"{folder} has only a slow tokenizer ({type(converted).__name__}); "
            "nerx needs a tokenizer.json"
        )
    return converted.backend_tokenizer


def _max_length(config: Any) -> int:
    positions = int(getattr(config, "max_position_embeddings", _MAX_LENGTH) or _MAX_LENGTH)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= config.pad_token_id + 1  # their position numbers begin after it
    return min(positions, _MAX_LENGTH)
