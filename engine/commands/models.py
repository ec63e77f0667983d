"""The model that a command was given: a bundle, or one that is made at first use."""

from pathlib import Path
from types import ModuleType

import click

from ..bundle import MANIFEST, Bundle, builtin_names, is_path
from ..errors import BundleError, ConfigError


def load_bundle(model: str) -> Bundle:
    """Loads a built-in, a bundle's folder, or the folder or hub id of a checkpoint.

    A checkpoint is exported once into the user's cache, which is said on stderr.

    Raises:
        BundleError: there is no such model, or it cannot be exported.
        ConfigError: it has to be exported, and what that needs is not installed.
    """
    folder = Path(model).expanduser()
    on_hub = not is_path(model) and model.count("/") == 1 and model not in builtin_names()
    is_checkpoint = (folder / "config.json").is_file() and not (folder / MANIFEST).is_file()
    if not on_hub and not (is_path(model) and is_checkpoint):
        return Bundle.load(model)
    if on_hub and folder.is_dir():
        raise BundleError(f"{model} is a folder here; write ./{model}, hub ids look the same")
    exporting = _exporting(f"{model} is no bundle yet, and making one")
    return Bundle.load(exporting.cached_bundle(model, say))


def in_precisions(bundle: Bundle, precisions: tuple[str, ...]) -> Bundle:
    """The same weights in precisions that the bundle does not hold.

    They are made once, in the user's cache, which is said on stderr.

    Raises:
        BackendError, BundleError: they cannot be made of what the bundle holds.
        ConfigError: what that needs is not installed.
    """
    exporting = _exporting(f"{bundle.name} holds no {' or '.join(precisions)}, and making that")
    return Bundle.load(exporting.cached_precisions(bundle, precisions, say))


def _exporting(why: str) -> ModuleType:
    try:
        from ...export import cached
    except ImportError as error:
        raise ConfigError(
            f"{why} needs more than tagging does ({error}): run `pip install 'nerx-engine[export]'`"
        ) from error
    return cached


def say(text: str) -> None:
    """Tells on stderr what is being done."""
    click.echo(f"{text} ...", err=True)
