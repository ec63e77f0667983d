"""Models that were not exported yet: exported once, into the user's cache."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..engine.bundle import MANIFEST, Bundle, file_sha256
from ..engine.files.cache import private_folder
from .build import ExportConfig, export_again, export_bundle
from .checkpoint import find_checkpoint
from .verify import ParityError

_READ = ("config.json", "tokenizer.json", "*.safetensors")  # what a bundle is made from


def cached_bundle(source: str, say: Callable[[str], None]) -> Path:
    """The bundle of a checkpoint, made at the first call with the text that comes with nerx.

    source: folder or hub id of a token classifier
    say: is told what is being done

    If int8 does not pass the gate, the bundle holds fp32 alone.

    Raises:
        BundleError: the checkpoint cannot be exported.
    """
    folder, _ = find_checkpoint(source)
    files = sorted(path for pattern in _READ for path in folder.glob(pattern))
    digest = hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
    target = private_folder("models") / f"{folder.resolve().name}-{digest[:16]}"
    if (target / MANIFEST).is_file():
        return target
    say(f"exporting {source} once, to {target}; `nerx export` with your own text is better")
    name = Path(source).name
    try:
        export_bundle(source, target, ExportConfig(name=name), say)
    except ParityError as error:
        if error.precision != "int8":
            raise
        say("int8 changes too many labels of this model: keeping fp32")
        export_bundle(source, target, ExportConfig(name=name, precisions=("fp32",)), say)
    return target


def cached_precisions(
    bundle: Bundle, precisions: tuple[str, ...], say: Callable[[str], None]
) -> Path:
    """A bundle of the same weights in other precisions, made at the first call.

    Raises:
        BackendError, BundleError: its weights cannot be read, or the labels change too much.
    """
    name = f"{Path(bundle.name).name}-{'-'.join(precisions)}-{bundle.digest[:16]}"
    target = private_folder("models") / name
    if not (target / MANIFEST).is_file():
        say(f"making {bundle.name} in {' and '.join(precisions)} once, in {target}")
        export_again(bundle, target, ExportConfig(precisions=precisions), say)
    return target
