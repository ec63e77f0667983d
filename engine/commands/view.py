"""`nerx view`: a page to look at."""

import sys
import webbrowser
from pathlib import Path

import click

from ..errors import ConfigError
from ..files.outputs import refuse_clashes
from ..files.sink import refuse_existing, write_file
from ..formats.registry import LINES
from ..view.view import view, view_both
from .options import token_column_option


@click.command("view")
@click.argument("labelled")
@click.argument("other", required=False)
@click.option("-o", "--output", default="-", help="The page, an HTML file.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--format", type=click.Choice(LINES), help="Format, if not as it looks.")
@token_column_option
@click.option("--seed", default=0, show_default=True, help="Picks another random sample.")
@click.option("--force", is_flag=True, help="Overwrite the page.")
def command(
    labelled: str,
    other: str | None,
    output: str,
    show: bool,
    format: str | None,
    token_column: int | None,
    seed: int,
    force: bool,
) -> None:
    """Show what was LABELLED as one HTML page, which needs no network.

    LABELLED is what `nerx tag` wrote: JSONL, CoNLL or segmented text; "-" is standard input. With
    a second labelling of the same records (of another model, or gold data) the page shows where
    the two differ, the worst first, and scores the first by the second.
    """
    if output == "-" and (show or sys.stdout.isatty()):
        raise click.UsageError("no name for the page: add -o page.html")
    if labelled == other == "-":
        raise ConfigError("standard input can be one of the two labellings only")
    inputs = [path for path in (labelled, other) if path]
    refuse_clashes(inputs, {"the page": [output]})
    refuse_existing([output], force=force)
    if other:
        page = view_both((labelled, other), format, token_column)
    else:
        page = view(labelled, format, token_column, seed)
    write_file(output, page, force=force)
    if show:
        webbrowser.open(Path(output).resolve().as_uri())
