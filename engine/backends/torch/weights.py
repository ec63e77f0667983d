"""Weights for the torch backend, by their Hugging Face names.

A bundle's `model.safetensors` is all that the packed encoder needs: the entry `config` of its
metadata is the model's `config.json`. A bundle without one gives the weights of its ONNX graph.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, from_numpy

from ....kernels.architectures import MODEL_TYPES, Config, config_from_hugging_face
from ...bundle import Artifact, Bundle
from ...errors import BackendError, BundleError

ARCHITECTURES = MODEL_TYPES

_CONFIG = "config"
_FORMATS = ("safetensors", "onnx")


def save_weights(path: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes a model's weights and its configuration, as `config.json` holds it, into one file."""
    tensors = {name: weight.contiguous() for name, weight in weights.items()}
    save_file(tensors, path, {"format": "pt", _CONFIG: json.dumps(config, default=str)})


def find_weights(bundle: Bundle) -> Artifact | None:
    """The artifact to read weights from, if there is one: safetensors before ONNX, int8 last."""
    held = {(item.format, item.precision): item for item in bundle.artifacts}
    order = [(form, precision) for form in _FORMATS for precision in ("fp32", "fp16", "int8")]
    return next((held[key] for key in order if key in held), None)


def load_weights(bundle: Bundle) -> tuple[Config, dict[str, Tensor]]:
    """The weights of a bundle, on the CPU in the precision in which they are stored.

    Raises:
        BundleError: the bundle holds none, or a file is altered.
        BackendError: they are those of a model that the torch backend does not compute.
    """
    artifact = find_weights(bundle)
    if artifact is None:
        raise BundleError(
            f"{bundle.name} holds no weights that torch can read (safetensors or ONNX); "
            "export the model again, or take another backend"
        )
    path = bundle.artifact_path(artifact)
    try:
        config, weights = (_from_onnx if artifact.format == "onnx" else _from_safetensors)(path)
        if len(weights["classifier.bias"]) != len(bundle.labels):
            raise ValueError(f"it has other labels than the {len(bundle.labels)} of the manifest")
        return config, weights
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"backend torch cannot use {path}: {error}; take another backend"
        ) from error


def _from_safetensors(path: Path) -> tuple[Config, dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if _CONFIG not in metadata:
            raise ValueError("it does not hold the model's configuration")
        config = config_from_hugging_face(json.loads(metadata[_CONFIG]))
        return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _from_onnx(path: Path) -> tuple[Config, dict[str, Tensor]]:
    try:
        from .onnx_weights import OnnxWeights
    except ImportError as error:
        raise BackendError(
            f"reading the weights of {path.name} needs onnx ({error}): run `pip install onnx`"
        ) from error
    graph = OnnxWeights(path)
    return graph.config(), {name: from_numpy(value) for name, value in graph.weights().items()}
