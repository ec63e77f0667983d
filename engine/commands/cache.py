"""`nerx cache`: what nerx keeps because it can be made again."""

import click

from ..bundle import MANIFEST, Bundle
from ..errors import BundleError, ConfigError
from ..files.cache import Cached, cached, private_folder


@click.command("cache")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--clear", is_flag=True, help="Remove what is named, or everything.")
def command(names: tuple[str, ...], clear: bool) -> None:
    """List what is kept: exported models, compiled models, TensorRT engines.

    All of it is made again when it is wanted. NAMEs are those of the list.
    """
    held = [item for item in cached() if not names or item.name in names]
    if missing := set(names) - {item.name for item in held}:
        raise ConfigError(f"{private_folder()} holds no {', '.join(sorted(missing))}")
    sizes = [item.size_bytes for item in held]
    for item, size in zip(held, sizes, strict=True):
        what = "removed" if clear else _describe(item)
        if clear:
            item.remove()
        click.echo(f"{size / 1e6:10,.1f} MB  {item.name}  {what}".rstrip())
    verb = "removed from" if clear else "in"
    click.echo(f"{sum(sizes) / 1e6:10,.1f} MB {verb} {private_folder()}", err=True)


def _describe(item: Cached) -> str:
    """What an exported model was made from."""
    if not (item.path / MANIFEST).is_file():
        return ""
    try:
        bundle = Bundle.load(item.path)
    except BundleError as error:
        return str(error)
    origin = [bundle.source.get("model", ""), bundle.source.get("revision", "")[:12]]
    precisions = ", ".join(artifact.precision for artifact in bundle.artifacts)
    return " ".join([*filter(None, origin), f"({precisions})"])
