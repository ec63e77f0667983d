"""What peers load: a checkpoint, or one made of a bundle, so that they run its very weights."""

import tempfile
from pathlib import Path

from ...engine.bundles.find import held_bundle

_folders: list[tempfile.TemporaryDirectory[str]] = []  # they go when the process ends


def checkpoint_of(model: str) -> str:
    """A folder that transformers can load: `model` itself, or one made of the bundle that it is.

    Raises:
        BackendError, BundleError: the bundle holds no weights that can be read.
    """
    bundle = held_bundle(model)
    if bundle is None:
        return model
    from ...export.torch_checkpoint import write_checkpoint

    _folders.append(tempfile.TemporaryDirectory(prefix="nerx-bench-"))
    folder = _folders[-1].name
    write_checkpoint(bundle, Path(folder))
    return folder
