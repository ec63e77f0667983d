"""The bundle that a model's name means: a built-in, a folder, or one that is made at first use."""

import hashlib
from pathlib import Path
from types import ModuleType

import click

from ..bundle import MANIFEST, Bundle, builtin_names, is_path
from ..errors import ConfigError
from ..files.cache import made_once, private_folder

_READ = ("*.json", "*.txt", "*.model", "*.safetensors")  # what a bundle is made from


def find_bundle(model: str | Path, revision: str | None = None) -> Bundle:
    """Loads a built-in, a bundle's folder, or the folder or hub id of a checkpoint.

    A checkpoint is exported once into the user's cache, which is said on stderr. What is there is
    used as it is: the hub is not asked, nor is a folder read whose files have the times they had.

    model: the name of a built-in; else text with a / in it: a folder if there is one, or a hub id
    revision: branch, tag or commit on the hub; None for its main branch

    Raises:
        BundleError: there is no such model, or it cannot be exported.
        ConfigError: it has to be exported, and what that needs is not installed; or a model that
            is not on the hub is given a revision.
    """
    folder = Path(model).expanduser()
    on_hub = _may_be_on_hub(model)
    if revision and not on_hub:
        raise ConfigError(f"{model} is not on the hub; only models there have a revision")
    is_checkpoint = (folder / "config.json").is_file() and not (folder / MANIFEST).is_file()
    if not on_hub and (model in builtin_names() or not is_checkpoint):
        return Bundle.load(model)
    target = private_folder("models") / (
        _name_of_hub(str(model), revision) if on_hub else _name_of_folder(folder)
    )
    with made_once(target, MANIFEST, say) as missing:
        if missing:
            exporting = _exporting(f"{model} is no bundle yet, and making one")
            exporting.make_bundle(str(model), revision, target, say)
    return Bundle.load(target)


def held_bundle(model: str) -> Bundle | None:
    """The built-in or the bundle's folder that a name means; None if it means something else."""
    if model in builtin_names():
        return Bundle.load(model)
    folder = Path(model).expanduser()
    return Bundle.load(folder) if (folder / MANIFEST).is_file() else None


def in_precisions(bundle: Bundle, precisions: tuple[str, ...]) -> Bundle:
    """The same weights in precisions that the bundle does not hold.

    They are made once, in the user's cache, which is said on stderr.

    Raises:
        BackendError, BundleError: they cannot be made of what the bundle holds.
        ConfigError: what that needs is not installed.
    """
    name = f"{Path(bundle.name).name}-{'-'.join(precisions)}-{bundle.digest[:16]}"
    target = private_folder("models") / name
    with made_once(target, MANIFEST, say) as missing:
        if missing:
            why = f"{bundle.name} holds no {' or '.join(precisions)}, and making that"
            _exporting(why).make_precisions(bundle, precisions, target, say)
    return Bundle.load(target)


def say(text: str) -> None:
    """Tells on stderr what is being done."""
    click.echo(f"{text} ...", err=True)


def _may_be_on_hub(model: str | Path) -> bool:
    return (
        isinstance(model, str)
        and not is_path(model)
        and model.count("/") == 1
        and not Path(model).is_dir()
    )


def _name_of_hub(model: str, revision: str | None) -> str:
    place = f"{model}@{revision or 'main'}"
    return f"{model.replace('/', '--')}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def _name_of_folder(folder: Path) -> str:
    """A name that tells a folder's files by their sizes and times: weights are large to hash."""
    files = sorted(path for pattern in _READ for path in folder.glob(pattern))
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    digest = hashlib.sha256(repr((str(folder.resolve()), facts)).encode()).hexdigest()
    return f"{folder.resolve().name}-{digest[:16]}"


def _exporting(why: str) -> ModuleType:
    try:
        from ...export import cached  # commands and this function alone reach out of the engine
    except ImportError as error:
        raise ConfigError(
            f"{why} needs more than tagging does ({error}): run `pip install 'nerx-engine[export]'`"
        ) from error
    return cached
