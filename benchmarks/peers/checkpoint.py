"""What peers load: a checkpoint, or one made of a bundle, so that they run its very weights."""

import tempfile
from pathlib import Path

from ...engine.bundle import MANIFEST, Bundle

_folders: list[tempfile.TemporaryDirectory[str]] = []  # they go when the process ends


def checkpoint_of(model: str) -> str:
    """A folder that transformers can load: `model` itself, or one made of the bundle that it is.

    Raises:
        BackendError, BundleError: the bundle holds no weights that can be read.
    """
    if not (Path(model) / MANIFEST).is_file():
        return model
    from ...export.torch_checkpoint import write_checkpoint

    _folders.append(tempfile.TemporaryDirectory(prefix="nerx-bench-"))
    folder = _folders[-1].name
    write_checkpoint(Bundle.load(Path(model)), Path(folder))
    return folder
