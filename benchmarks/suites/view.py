"""`nerx view` of many labelled records: its rate, its memory and the size of its page.

    python -m nerx.benchmarks.suites.view [--text FILE] [--records N]...

The records are the lines of the text as `en` labels them, over and over, each with an id of its
own, and every fourth with a further name that is nowhere else. Rows go to
benchmarks/results/view.json.
"""

from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import orjson

from ...engine import Tagger
from ..places import RESULTS, TEXTS
from ..rows import write_results
from ..watched import run_nerx


def write_labelled(path: Path, lines: list[str], records: int) -> None:
    """Writes that many labelled records."""
    with Tagger("en") as tagger:
        labelled = list(tagger.pipe(lines))
    with path.open("wb") as file:
        for number, record in enumerate(islice(cycle(labelled), records)):
            text, entities = record["text"], record["entities"]
            if number % 4 == 0:
                place = {"start": len(text) + 1, "end": len(text) + 1 + len(name := f"N{number}")}
                added = {"entity_group": "PER", "score": 0.9, "word": name, **place}
                text, entities = f"{text} {name}", [*entities, added]
            value = {"id": f"doc-{number}", "text": text, "entities": entities}
            file.write(orjson.dumps(value) + b"\n")


def measure(labelled: Path, records: int) -> dict[str, Any]:
    """A row of figures."""
    page = labelled.with_suffix(".html")
    seconds, peak_memory_mb = run_nerx(["view", str(labelled), "-o", str(page), "--force"])
    return {
        "records": records,
        "input_mb": round(labelled.stat().st_size / 1e6, 1),
        "seconds": round(seconds, 2),
        "records_per_s": round(records / seconds),
        "peak_memory_mb": round(peak_memory_mb),
        "page_kb": round(page.stat().st_size / 1e3),
    }


@click.command()
@click.option("--text", default=TEXTS / "gum_en.txt", type=click.Path(path_type=Path))
@click.option("--records", "sizes", multiple=True, default=(100_000, 1_000_000))
def main(text: Path, sizes: tuple[int, ...]) -> None:
    """Measures each size and writes the rows."""
    lines, rows = text.read_text("utf-8").splitlines(), []
    with TemporaryDirectory() as folder:
        for records in sizes:
            labelled = Path(folder, f"{records}.jsonl")
            write_labelled(labelled, lines, records)
            rows.append(measure(labelled, records))
            click.echo("  ".join(f"{name} {value:,}" for name, value in rows[-1].items()))
            labelled.unlink()
    write_results(RESULTS / "view.json", rows)


if __name__ == "__main__":
    main()
