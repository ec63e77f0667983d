"""Batches of how many subwords, on how many streams: speed to that of what nerx does by itself.

    python -m nerx.benchmarks.suites.batches [MODEL]... [--documents N] [--rounds N]

OpenVINO, int8, all cores: a stream a core, or one stream of all. Systems take turns, and a ratio is
taken within a round: by wall clock, and by processor time, which holds on a machine that others use
too (but threads that share a stream wait by computing).
"""

import time
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from ...engine.backends.base import Backend
from ...engine.backends.cores import usable_cores
from ...engine.backends.select import open_backend
from ...engine.bundle import Bundle
from ...export.sample import read_sample
from ..peers.alone import AloneDriver
from ..places import TEXTS

_TEXT = {"words": "gum_en.txt", "characters": "cmrc_zh.txt"}
_TOKENS, _USUAL = (500, 1000, 2000, 4000), 1000


@click.command()
@click.argument("models", nargs=-1)
@click.option("--documents", default=500, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(models: tuple[str, ...], documents: int, rounds: int) -> None:
    cores = usable_cores()
    cells = [(streams, tokens) for streams in (cores, 1) for tokens in _TOKENS]
    for model in models or ("en", "zh", "en-fast"):
        bundle = Bundle.load(model)
        sample = read_sample(str(TEXTS / _TEXT[bundle.unit]), bundle.unit).head(documents)
        backends = {streams: _with_streams(bundle, streams) for streams in (cores, 1)}
        drivers = {
            (streams, tokens): AloneDriver(
                bundle, backends[streams].run, tokens, {"streams": streams}
            )
            for streams, tokens in cells
        }
        for driver in drivers.values():
            driver.prepare(sample.words, 1)
            driver.run(0)  # every shape once
        spent = np.zeros((len(cells), rounds, 2))
        for number in range(rounds):
            for place in range(len(cells))[:: 1 if number % 2 else -1]:
                began = _clocks()
                drivers[cells[place]].run(0)
                spent[place, number] = _clocks() - began
        ratios = np.median(spent[cells.index((cores, _USUAL))] / spent, axis=1)
        click.echo(f"{model}, {len(sample.words)} documents: by wall clock, by processor time")
        for (streams, tokens), (wall, processor) in zip(cells, ratios, strict=True):
            click.echo(f"  {streams} streams, {tokens:4} subwords{wall:8.3f}{processor:8.3f}")


def _clocks() -> NDArray[np.float64]:
    return np.array([time.perf_counter(), time.process_time()])


def _with_streams(bundle: Bundle, streams: int) -> Backend:
    """The model on all cores, but with so many streams."""
    compile_model = ov.Core.compile_model

    def compiled(core: Any, model: Any, device: str, options: dict[str, Any]) -> Any:
        return compile_model(core, model, device, options | {"NUM_STREAMS": streams})

    with patch.object(ov.Core, "compile_model", compiled):
        return open_backend(bundle, "openvino", "int8")


if __name__ == "__main__":
    main()
