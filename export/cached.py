"""What the user's cache gets at first use: bundles of checkpoints, and of bundles' own weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..engine.bundle import Bundle
from .build import ExportConfig, export_again, export_bundle
from .verify import ParityError


def make_bundle(
    source: str, revision: str | None, target: Path, say: Callable[[str], None]
) -> None:
    """Exports a checkpoint, with the text that comes with nerx.

    source: folder or hub id of a token classifier
    target: folder to be made
    say: is told what is being done

    If int8 does not pass the gate, the bundle holds fp32 alone.

    Raises:
        BundleError: the checkpoint cannot be exported.
    """
    say(f"exporting {source} once, to {target}; `nerx export` with your own text is better")
    config = ExportConfig(name=Path(source).name, revision=revision)
    try:
        export_bundle(source, target, config, say)
    except ParityError as error:
        if error.precision != "int8":
            raise
        say("int8 changes too many labels of this model: keeping fp32")
        export_bundle(source, target, replace(config, precisions=("fp32",)), say)


def make_precisions(
    bundle: Bundle, precisions: tuple[str, ...], target: Path, say: Callable[[str], None]
) -> None:
    """Makes a bundle of the same weights in other precisions.

    Raises:
        BackendError, BundleError: its weights cannot be read, or the labels change too much.
    """
    say(f"making {bundle.name} in {' and '.join(precisions)} once, in {target}")
    export_again(bundle, target, ExportConfig(precisions=precisions), say)
