"""Memory and time of `nerx tag` on Parquet files of ever more rows.

    python -m nerx.benchmarks.suites.tables -m MODEL [--rows N]...

MODEL may be one that labels in no time, as what is asked is how nerx reads, moves and writes rows.
Rows are of three words, with an id, in row groups of 100,000.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pyarrow as pa
import pyarrow.parquet as pq

from ..places import RESULTS
from ..rows import machine, write_results
from ..watched import run_nerx

_GROUP_ROWS = 100_000


def write_table(path: Path, rows: int) -> None:
    """Writes a file of so many rows, a row group at a time."""
    schema = pa.schema({"id": pa.int64(), "text": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, _GROUP_ROWS):
            ids = range(first, min(first + _GROUP_ROWS, rows))
            texts = [f"Paris {number} Lima" for number in ids]
            writer.write_table(pa.table({"id": ids, "text": texts}, schema))


@click.command()
@click.option("-m", "--model", required=True)
@click.option("--rows", "sizes", multiple=True, default=(1_000_000, 10_000_000))
def main(model: str, sizes: tuple[int, ...]) -> None:
    """Measures each size and writes the rows."""
    found = []
    with TemporaryDirectory() as folder:
        for rows in sizes:
            source, target = Path(folder, "in.parquet"), Path(folder, "out.parquet")
            write_table(source, rows)
            command = ["tag", str(source), "-m", model, "-o", str(target), "--force"]
            seconds, peak_memory_mb = run_nerx(command)
            written = pq.ParquetFile(target).metadata.num_rows
            assert written == rows
            found.append(
                {"rows": rows, "seconds": round(seconds), "peak_memory_mb": round(peak_memory_mb)}
            )
            click.echo(f"{rows:,} rows: {seconds:.0f} s, {peak_memory_mb:,.0f} MB")
    result = {"machine": machine(), "sizes": found}
    write_results(RESULTS / "tables.json", result)


if __name__ == "__main__":
    main()
