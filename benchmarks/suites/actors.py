"""Two one-core actors of Ray beside `nerx tag` on two cores, on the same Parquet files.

    python -m nerx.benchmarks.suites.actors [--text FILE] [--copies N]

Each labels the lines of the text, and then N times as many. Starting up takes the same in both, so
that the rate of each is what there was more, by the seconds that took. Needs the extra `ray`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pyarrow as pa
import pyarrow.parquet as pq

from ...engine.backends.cores import versions
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
@click.option("--copies", default=30, show_default=True)
def main(text: Path, copies: int) -> None:
    """Measures both and writes the result."""
    lines, words, seconds = text.read_text("utf-8").splitlines(), [], []
    with TemporaryDirectory() as folder:
        for number in (1, copies):
            source = Path(folder, f"in{number}")
            words.append(write_tables(source, lines, number))
            for name, options in (("nerx", ()), ("ray", _ON_RAY)):
                target = str(Path(folder, f"{name}{number}"))
                command = ["tag", str(source / "*.parquet"), "--output-dir", target, *options]
                seconds.append(run_nerx(command)[0])
                click.echo(f"{name}, {words[-1]:,} words: {seconds[-1]:.1f} s")
    more = words[1] - words[0]
    tag, ray = more / (seconds[2] - seconds[0]), more / (seconds[3] - seconds[1])
    result = {
        "machine": machine(),
        "versions": versions(("nerx-engine", "ray", "pyarrow")),
        "words": words[1],
        "seconds": [round(value, 1) for value in seconds],  # nerx, Ray; nerx, Ray with all copies
        "words_per_s": {"nerx tag": round(tag), "two actors": round(ray)},
        "share": round(ray / tag, 3),
    }
    click.echo(f"two actors {ray:,.0f} words/s, nerx tag {tag:,.0f}: {ray / tag:.1%}")
    write_results(RESULTS / "actors.json", result)


if __name__ == "__main__":
    main()
