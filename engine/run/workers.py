"""How many processes open and close the blocks of a run where nobody says: `--workers auto`.

One process of Python parses, encodes, batches and renders, a step at a time. Where the model takes
clearly longer than all that, a thread will do, and on a CPU it leaves the cores to the model. Where
it does not, it waits for Python.
"""

from math import ceil

from ..backends.cores import usable_cores
from .stats import Stopwatch

_MOST = 16
_CLEARLY = 4 / 3  # times as long; from there on a thread was as fast as processes
_PATIENCE_S = 5.0  # to start processes takes about a second, which a short run does not earn back


def workers_at_first(device: str) -> int:
    """Processes to begin with: on a CPU none, until it has been measured what they would do.

    A GPU outruns a thread whatever the model, and its first blocks, which are large, tell little.
    """
    return 0 if device == "cpu" else min(_MOST, max(1, usable_cores() - 2))


def workers_needed(clock: Stopwatch, elapsed_s: float, streams: int) -> int:
    """Processes that would keep the model busy, by what a run with a thread has taken so far.

    streams: batches that the model runs at once
    """
    cores = min(_MOST, usable_cores())
    if cores == 1 or elapsed_s < _PATIENCE_S:
        return 0
    seconds = clock.seconds("encode", "render", "batch", "label", "run")
    moved = seconds["encode"] + seconds["render"]  # what a worker does
    kept = seconds["batch"] + seconds["label"]  # what is done beside the model in any case
    model = seconds["run"] / streams
    if model >= _CLEARLY * (moved + kept):
        return 0
    return min(cores, ceil(moved / max(model, 1e-9)))
