"""`nerx view`: one labelled file, or two beside each other, as a page."""

import gc
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from importlib.metadata import version
from itertools import chain, islice
from multiprocessing import get_context
from os.path import basename
from typing import Any

from ..backends.cores import usable_cores
from ..errors import InputError
from ..files.source import Source
from ..formats.jsonl import JsonlReader
from ..run.kinds import kind_of
from ..types import Block
from .compare import WORST, Comparison, compare
from .page import RecordList, render
from .records import BLOCK_BYTES, gold_values, shown_records
from .summary import (
    agreement_rows,
    confusion_rows,
    length_chart,
    name_rows,
    score_chart,
    type_rows,
    word_chart,
)
from .tally import DOUBTFUL, SAMPLE, Tally, tally_block, tally_values

_GOLD_RECORDS = 5000  # tallied at once
_FEW_BLOCKS = 4  # more are worth the start of processes


def view(
    path: str,
    format: str | None = None,
    token_column: int | None = None,
    seed: int = 0,
    title: str | None = None,
) -> bytes:
    """The page of a labelled file, under its name or a title.

    format, token_column: as `read_gold` takes them

    Raises:
        InputError: it cannot be read, is empty or was not labelled.
        ConfigError: jinja2 is not installed.
    """
    tally = _tally(path, format, token_column, seed)
    if not tally.records:
        raise InputError(f"{path} holds no records: there is nothing to show")
    types = [name for name, _ in tally.types.most_common()]
    context = _context(tally, path)
    return render(context | {"title": title or context["title"]}, types, _lists(tally))


def _tally(path: str, format: str | None, token_column: int | None, seed: int) -> Tally:
    tally = Tally()
    with Source(path) as source:
        if (kind := format or kind_of(source, token_column)) == "jsonl":
            _add_blocks(tally, source.blocks(JsonlReader(), BLOCK_BYTES), path, seed)
            return tally
        values = enumerate(gold_values(source, kind, token_column), 1)
        while part := list(islice(values, _GOLD_RECORDS)):
            numbers, rows = [n for n, _ in part], [value for _, value in part]
            tally.merge(tally_values(numbers, rows, path, seed))
    return tally


def _add_blocks(tally: Tally, blocks: Iterator[Block], path: str, seed: int) -> None:
    """Tallies blocks in order, in processes of their own where there are many."""
    few = list(islice(blocks, _FEW_BLOCKS))
    if len(few) < _FEW_BLOCKS:
        for block in few:
            tally.merge(tally_block(block, path, seed))
        return
    processes = usable_cores()
    with ProcessPoolExecutor(processes, get_context("spawn"), _start) as pool:
        waiting: deque[Future[Tally]] = deque()
        for block in chain(few, blocks):
            waiting.append(pool.submit(tally_block, block, path, seed, tally.limits()))
            if len(waiting) > 2 * processes:
                tally.merge(waiting.popleft().result())
        while waiting:
            tally.merge(waiting.popleft().result())


def _start() -> None:
    """Readies a process for `tally_block`."""
    gc.disable()  # parsed lines hold no cycles, so that to look for some is time lost
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to answer


def _lists(tally: Tally) -> list[RecordList]:
    sample = sorted(tally.sample, key=lambda row: row.number)
    parts = (
        ("sample", "Sample", sample),
        ("doubtful", "Most doubtful", tally.doubtful),
        ("longest", "Longest", tally.longest),
    )
    return [
        RecordList(id=id, title=title, records=[row.record for row in rows])
        for id, title, rows in parts
        if rows
    ]


def _context(tally: Tally, path: str) -> dict[str, Any]:
    segmented = tally.kind == "words"
    charts = [length_chart(tally.lengths)]
    if tally.scored:
        charts.insert(0, score_chart(sum(tally.scores.values())))
    if segmented:
        charts.insert(0, word_chart(tally.types))
    names = "words" if segmented else "names"
    notes = []
    if tally.names_forgotten:
        notes.append(f"There are very many {names}: those found rarely may be counted too low.")
    return _common(path) | {
        "figures": [
            ("records", tally.records),
            ("characters", tally.characters),
            (tally.kind, tally.found),
            (f"records without {tally.kind}", tally.bare),
        ],
        "notes": notes,
        "types": [] if segmented else type_rows(tally),
        "charts": charts,
        "names": name_rows(tally.names),
        "names_title": f"Most frequent {names}",
        "segmented": segmented,
        "has_scores": tally.scored,
        "picked": f"a random {SAMPLE}, the {DOUBTFUL} with the least score, and the longest",
    }


def view_both(
    paths: tuple[str, str], format: str | None = None, token_column: int | None = None
) -> bytes:
    """The page of two labellings of the same records; the second is taken as gold.

    format, token_column: as `read_gold` takes them

    Raises:
        InputError: one cannot be read or was not labelled, or they are of different texts.
        ConfigError: jinja2 is not installed.
    """
    first, second = (shown_records(path, format, token_column) for path in paths)
    comparison = compare(first, second, paths)
    if not comparison.records:
        raise InputError(f"{paths[0]} and {paths[1]} hold no records: there is nothing to show")
    worst = [row.record for row in comparison.worst]
    lists = [RecordList(id="worst", title="Where they differ most", records=worst)]
    types = [name for name, _ in agreement_rows(comparison)]
    return render(_context_of_both(comparison, paths), types, lists)


def _context_of_both(comparison: Comparison, paths: tuple[str, str]) -> dict[str, Any]:
    total = comparison.score()
    found = "words" if comparison.segmented else "entities"
    return _common(*paths) | {
        "figures": [
            ("records", comparison.records),
            ("records that differ", comparison.differing),
            (f"{found} in A", total.predicted),
            (f"{found} in B", total.gold),
            (f"{found} in both", total.correct),
            ("F1", f"{total.f1:.4f}"),
        ],
        "notes": [
            f"A is {paths[0]}, B is {paths[1]}, which is taken as gold. What only one of them has"
            " is outlined."
        ],
        "agreement": agreement_rows(comparison),
        "confusions": [] if comparison.segmented else confusion_rows(comparison),
        "names": name_rows(comparison.names),
        "names_title": f"{found.capitalize()} that differ most often",
        "segmented": comparison.segmented,
        "has_scores": any(span.score for row in comparison.worst for span in row.record.spans),
        "picked": f"the {WORST} that differ most",
    }


def _common(*paths: str) -> dict[str, Any]:
    names = ["stdin" if path == "-" else basename(path) for path in paths]
    return {"title": " and ".join(names), "version": version("nerx-engine")}
