"""Two one-core actors of Ray beside `nerx tag` on two cores, on the same Parquet files.

    python -m nerx.benchmarks.suites.actors [--text FILE] [--copies N]

Each labels the lines of the text N times over. The time is that of the whole command, in which Ray
starts a cluster and its actors. Needs the extra `ray`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pyarrow as pa
import pyarrow.parquet as pq

from ...engine.backends.cores import versions
from ...engine.errors import NerxError
from ..places import RESULTS, TEXTS
from ..rows import machine, write_results
from ..watched import run_nerx

_FILES = 4
_ON_RAY = ("--cluster", "ray", "--address", "local")


def write_tables(folder: Path, lines: list[str], copies: int) -> int:
    """Writes the lines so many times over; the number of their words."""
    folder.mkdir()
    rows = pa.table({"id": range(len(lines) * copies), "text": lines * copies})
    for number in range(_FILES):
        first, end = (len(rows) * place // _FILES for place in (number, number + 1))
        pq.write_table(rows.slice(first, end - first), folder / f"{number}.parquet")
    return copies * sum(len(line.split()) for line in lines)


@click.command()
@click.option("--text", default=TEXTS / "gum_en.txt", type=click.Path(path_type=Path))
@click.option("--copies", default=4, show_default=True)
def main(text: Path, copies: int) -> None:
    """Measures both and writes the result."""
    lines, seconds = text.read_text("utf-8").splitlines(), {}
    with TemporaryDirectory() as folder:
        words = write_tables(Path(folder, "in"), lines, copies)
        inputs = str(Path(folder, "in", "*.parquet"))
        for name, options in (("nerx tag", ()), ("two actors", _ON_RAY)):
            target = str(Path(folder, name))
            command = ["tag", inputs, "--output-dir", target, *options]
            seconds[name], _ = run_nerx(command)
            found = len(pq.read_table(target, columns=["id"]))
            if found != copies * len(lines):
                raise NerxError(f"{name} labelled {found:,} of {copies * len(lines):,} rows")
            click.echo(f"{name}: {seconds[name]:.1f} s, {words / seconds[name]:,.0f} words/s")
    result = {
        "machine": machine(),
        "versions": versions(("nerx-engine", "ray", "pyarrow")),
        "words": words,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "share": round(seconds["nerx tag"] / seconds["two actors"], 3),
    }
    click.echo(f"two actors: {result['share']:.1%} of nerx tag")
    write_results(RESULTS / "actors.json", result)


if __name__ == "__main__":
    main()
