"""What nerx does beside the model, on one thread: sentences a second, and each step's time.

    python -m nerx.benchmarks.suites.host [-m en]

JSONL of sentences of 20 words, drawn by their frequency in the texts, one word in a hundred new;
labels come from a hash, which is not counted. By the thread's processor time, which holds on a busy
machine; of some passes the fastest, since whatever else runs only adds to it.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import click

from ...engine.bundle import Bundle
from ...engine.formats.jsonl import JsonlReader, JsonlSplicer
from ...engine.run.stages import Stages
from ...engine.run.stream import default_block_bytes
from ...engine.types import Block
from ..driver import Task
from ..peers.hashed import open_driver
from ..places import TEXTS
from .stream import drawn_sentences

_COPIES, _PASSES = 8, 9


@click.command()
@click.option("-m", "--model", default="en", show_default=True)
def main(model: str) -> None:
    driver = open_driver(Task(model=str(Bundle.load(model).folder), joint=" "))
    driver.prepare(drawn_sentences(tuple(map(str, sorted(TEXTS.glob("*_en.txt"))))).words, _COPIES)
    lines = driver.input.read_bytes().splitlines(keepends=True)
    size = len(lines) * default_block_bytes("cpu") // sum(map(len, lines))
    blocks = [b"".join(lines[at : at + size]) for at in range(0, len(lines), size)]
    loaded, formats = driver.model, {"jsonl": (JsonlReader(), JsonlSplicer())}
    loaded.labeller.share_equals = True  # looked for, though there are none
    stages = Stages(formats, loaded.encoder, loaded.scheme, loaded.config)

    def once() -> dict[str, float]:
        spent: dict[str, float] = defaultdict(float)

        def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
            began = time.thread_time()
            found = work(*given)
            spent[name] += time.thread_time() - began
            return found

        for number, data in enumerate(blocks):
            block = Block(data=data, line=1, offset=0)
            encoded = timed("parse, encode", stages.open, number, "jsonl", block)
            pending = timed("batch", loaded.labeller.start, encoded)
            labels = timed("label", loaded.labeller.finish, pending)
            timed("decode, render", stages.close, number, labels)
        return spent

    best = min((once() for _ in range(_PASSES)), key=lambda spent: sum(spent.values()))
    total = sum(best.values())
    click.echo(f"{len(lines) / total:,.0f} sentences a second on one thread")
    for name, seconds in best.items():
        click.echo(f"  {name:15}{seconds / len(lines) * 1e6:5.1f} us{seconds / total:7.0%}")


if __name__ == "__main__":
    main()
