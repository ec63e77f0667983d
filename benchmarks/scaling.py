"""How time and memory grow with the corpus: runs of 1,000 to 1,000,000 records."""

import math
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from statistics import linear_regression
from typing import Any

from ..export.sample import Sample
from .process import SystemProcess
from .systems import System

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def scale(
    system: System, sample: Sample, budget_s: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Runs a system on ever more records while time is left, each size in a new process.

    The records are the sample's, over and over; memory and time depend on their number alone.

    Returns `sizes`, one entry each, and what was fitted to them: `time_exponent` (1 is linear) and
    `mb_per_million_records` over the largest half of the sizes.
    """
    sizes: list[dict[str, Any]] = []
    thousand = list(islice(cycle(sample.words), SIZES[0]))
    ends = time.monotonic() + budget_s
    for records in SIZES:
        if sizes and time.monotonic() + _expected_s(sizes[-1], records) > ends:
            break
        say(f"{records:,} records")
        with SystemProcess(system.opens, system.task) as process:
            process.load(thousand, records // len(thousand))
            one = process.run()
        sizes.append(
            {
                "records": records,
                "seconds": round(one["seconds"], 3),
                "peak_memory_mb": round(one["peak_memory_mb"], 1),
            }
        )
    return {"sizes": sizes, "not_run": [s for s in SIZES if s > sizes[-1]["records"]]} | _fit(sizes)


def _expected_s(last: dict[str, Any], records: int) -> float:
    return float(last["seconds"]) * records / int(last["records"])


def _fit(sizes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(sizes) < 2:
        return {"time_exponent": None, "mb_per_million_records": None}
    records, seconds, memory = (
        [one[key] for one in sizes] for key in ("records", "seconds", "peak_memory_mb")
    )
    upper = max(2, len(sizes) // 2)
    growth = linear_regression([*map(math.log, records)], [*map(math.log, seconds)])
    held = linear_regression(records[-upper:], memory[-upper:])
    return {
        "time_exponent": round(growth.slope, 3),
        "mb_per_million_records": round(held.slope * 1e6, 1),
    }
