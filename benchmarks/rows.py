"""What a benchmark found, as the JSON object that docs/bench.md describes."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..engine.backends import cores
from ..engine.bundle import Bundle
from ..engine.errors import InputError
from ..export.sample import Sample
from .labels import compare, f1
from .limits.products import Products
from .measure import Measurement, Result
from .systems import limit_kind

SCHEMA = 1
_BINS = (1, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 512)  # of the length histogram


def collect(
    measured: Measurement,
    bundles: Sequence[Bundle],
    lengths: list[int],
    products: Products | None,
    load: float = 0.0,
) -> dict[str, Any]:
    """The whole result.

    load: processes that wanted to run before the measurement began, on average of a minute
    lengths: subwords of each document of the sample, special tokens included
    """
    reference = _reference(measured.results)
    first_peer = next((r for r in measured.results if r.system.name != "nerx" and r.passes), None)
    bounds = {
        kind: _limit(result, products, lengths, measured.sample)
        for kind, result in measured.limits.items()
        if products and result.passes
    }
    return {
        "schema": SCHEMA,
        "nerx": version("nerx-engine"),
        "machine": machine() | {"load": round(load, 2)},
        "model": {
            "name": bundles[0].name,
            "digests": {
                artifact.precision: bundle.digest
                for bundle in bundles
                for artifact in bundle.artifacts
            },
            "architecture": bundles[0].architecture,
            "operations_per_subword": _per_subword(products, lengths),
        },
        "corpus": _corpus(measured.sample, lengths),
        "own_share": round(measured.own_share, 5),
        "reference": reference.system.title if reference else None,
        "first_peer": first_peer.system.title if first_peer else None,
        "limits": bounds,
        "rows": [_row(one, measured, reference, first_peer, bounds) for one in measured.results],
    }


def title(row: dict[str, Any]) -> str:
    """A row's name: what runs, on what, in which precision, and how if not as usual."""
    backend = "" if row["backend"] == row["system"] else f" {row['backend']}"
    workers = f" w{row['workers']}" if row.get("workers") else ""
    decode = f" {row['decode']}" if row.get("decode", "argmax") != "argmax" else ""
    return f"{row['system']}{backend} {row['precision']}{workers}{decode}"


def measured(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that have figures."""
    return [row for row in results["rows"] if "words_per_s" in row]


def machine() -> dict[str, Any]:
    """What the figures are of."""
    return {
        **cores.machine(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """min, median and max."""
    return {
        "min": round(min(values), digits),
        "median": round(median(values), digits),
        "max": round(max(values), digits),
    }


def _reference(results: Sequence[Result]) -> Result | None:
    """Whose labels the others are held to: PyTorch in fp32, else the first in fp32."""
    able = [one for one in results if one.tags and one.system.task.precision == "fp32"]
    return next(
        (one for one in able if one.system.name == "transformers"), able[0] if able else None
    )


def _row(
    one: Result,
    measured: Measurement,
    reference: Result | None,
    first_peer: Result | None,
    bounds: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    task = one.system.task
    row: dict[str, Any] = {
        "system": one.system.name,
        "backend": task.backend or one.system.name,
        "precision": task.precision,
        **one.facts,
    }
    if one.error or not one.passes:
        return row | {"error": one.error or "not measured"}
    rates, last = one.rates(), one.passes[-1]
    ratio = None
    if first_peer:  # round by round
        ratio = spread([a / b for a, b in zip(rates, first_peer.rates(), strict=True)], 3)
    per_word = last["subwords"] / one.words
    agreement = None
    if reference and one.tags:
        agreement = compare(one.tags, reference.tags, measured.sample)
    bound = bounds.get(limit_kind(task))
    row |= {
        "batch_size": one.batch_size or None,
        "batch_sizes_tried": {str(size): round(rate, 1) for size, rate in one.tried.items()},
        "load_s": round(one.load_s, 2),
        "seconds": spread([p["seconds"] for p in one.passes], 3),
        "words_per_s": spread(rates),
        "subwords_per_s": spread([rate * per_word for rate in rates]),
        "words_per_cpu_s": spread([one.words / max(p["cpu_s"], 1e-9) for p in one.passes]),
        "ratio": ratio,
        "padding": round(1 - last["subwords"] / last["positions"], 4),
        "peak_memory_mb": round(max(p["peak_memory_mb"] for p in one.passes)),
        "label_agreement": round(agreement.share, 6) if agreement else None,
        "differences": agreement.differences if agreement else [],
        "f1": _rounded(f1(one.tags, measured.sample)) if one.tags else None,
        "limit_share": round(median(rates) / bound["words_per_s"], 4) if bound else None,
    }
    if one.system.name == "nerx":
        row |= _stages(one, bound)
    return row


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _stages(one: Result, bound: dict[str, Any] | None) -> dict[str, Any]:
    """Where the time went, in the round of median speed."""
    middle = sorted(one.passes, key=lambda one: one["seconds"])[len(one.passes) // 2]
    wall_s, streams = middle["wall_s"], one.facts["streams"]
    busy_s = middle["stages"]["run"] / streams
    return {
        "stages": {
            name: {
                "seconds": round(s, 4),
                "share": round(s / wall_s / (streams if name == "run" else 1), 4),
            }
            for name, s in middle["stages"].items()
        },
        "waits": {name: round(s / wall_s, 4) for name, s in middle["waits"].items()},
        "wall_s": round(wall_s, 4),
        "steady_words_per_s": _rounded(middle["steady_words_per_s"]),
        "engine_limit_share": (
            round(one.words / busy_s / bound["words_per_s"], 4) if bound and busy_s else None
        ),
    }


def _limit(
    result: Result, products: Products | None, lengths: list[int], sample: Sample
) -> dict[str, Any]:
    assert products
    rates = [one["operations_per_s"] for one in result.passes]
    seconds = products.operations(lengths) / median(rates)
    copies = [one["copied_bytes_per_s"] for one in result.passes if "copied_bytes_per_s" in one]
    return {
        **({"copy_gb_per_s": spread([rate / 1e9 for rate in copies])} if copies else {}),
        "gigaops_per_s": spread([rate / 1e9 for rate in rates]),
        "words_per_s": round(sample.word_count / seconds, 1),
        "subwords_per_s": round(sum(lengths) / seconds, 1),
        **result.facts,
    }


def _per_subword(products: Products | None, lengths: list[int]) -> float | None:
    return round(products.operations(lengths) / sum(lengths)) if products else None


def _corpus(sample: Sample, lengths: list[int]) -> dict[str, Any]:
    counts, _ = np.histogram(lengths, bins=(*_BINS[:-1], 1 << 30))
    return {
        "name": sample.name,
        "unit": "words" if sample.joint else "characters",
        "documents": len(sample.words),
        "words": sample.word_count,
        "subwords": sum(lengths),
        "gold": sample.tags is not None,
        "lengths": {
            "from": list(_BINS[:-1]),
            "documents": counts.tolist(),
            "median": median(lengths),
            "max": max(lengths),
        },
    }


def write_results(path: str | Path, values: Any) -> None:
    """Writes results as JSON."""
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def read_results(path: str) -> dict[str, Any]:
    """Results that `--json` wrote.

    Raises:
        InputError: the file holds none.
    """
    try:
        values = json.loads(Path(path).read_bytes())
        if values["schema"] > SCHEMA or not isinstance(values["rows"], list):
            raise ValueError(f"its schema is {values['schema']}, expected up to {SCHEMA}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no results of `nerx bench --json`: {error!r}") from error
    return dict(values)
