"""A benchmark's result as a picture: speeds beside the limit, stages, lengths with padding."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..engine.errors import ConfigError
from .rows import measured, title

OWN_COLOR, PEER_COLOR, _LIMIT = "#1b6ca8", "#b8bec6", "#c0392b"


def plot(results: dict[str, Any], path: str) -> None:
    """Draws a result into a PNG file, with matplotlib, which must be installed.

    Raises:
        ConfigError: the file cannot be written.
    """
    stages = next((row for row in measured(results) if "stages" in row), None)
    heights = [3, 2, 2] if stages else [3, 2]
    with drawing(path, len(heights), 1, figsize=(8, 8.5), height_ratios=heights) as axes:
        _speeds(axes[0], results)
        if stages:
            _stages(axes[1], stages)
        _lengths(axes[-1], results)


@contextmanager
def drawing(
    path: str | Path, rows: int, columns: int, dpi: int = 130, **layout: Any
) -> Iterator[Any]:
    """Axes without a frame above and at the right; what is drawn on them becomes a PNG file.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, dpi=dpi, **layout)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    yield axes
    figure.tight_layout(w_pad=2, h_pad=2)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        pyplot.close(figure)


def bar_color(row: dict[str, Any]) -> str:
    """nerx stands out."""
    return OWN_COLOR if row["system"] == "nerx" else PEER_COLOR


def _speeds(axes: Any, results: dict[str, Any]) -> None:
    rows = measured(results)
    middle = [row["words_per_s"]["median"] for row in rows]
    low = [m - row["words_per_s"]["min"] for m, row in zip(middle, rows, strict=True)]
    high = [row["words_per_s"]["max"] - m for m, row in zip(middle, rows, strict=True)]
    places = range(len(rows))
    axes.barh(
        places, middle, xerr=[low, high], color=[*map(bar_color, rows)], ecolor="#444444", capsize=3
    )
    for place, row, value, over in zip(places, rows, middle, high, strict=True):
        ratio = f"  {row['ratio']['median']:.1f}x" if row["ratio"] else ""
        axes.annotate(
            f"{value:,.0f}{ratio}",
            (value + over, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    for number, (kind, bound) in enumerate(results["limits"].items()):
        style = ("--", ":")[number % 2]
        axes.axvline(bound["words_per_s"], color=_LIMIT, linestyle=style, label=f"limit, {kind}")
    if results["limits"]:
        axes.legend(loc="lower right", fontsize=9)
    axes.set_yticks(places, [title(row) for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.18)
    corpus, machine = results["corpus"], results["machine"]
    axes.set_xlabel(f"{corpus['unit']} per second: median, min and max of the rounds")
    axes.set_title(
        f"{results['model']['name']} on {corpus['name']}, {machine['processor']},"
        f" {machine['cores']} cores",
        fontsize=11,
    )


def _stages(axes: Any, row: dict[str, Any]) -> None:
    names = list(row["stages"])
    shares = [100 * row["stages"][name]["share"] for name in names]
    bars = axes.barh(names, shares, color=OWN_COLOR)
    axes.bar_label(bars, [f"{share:.1f} %" for share in shares], padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 112)
    axes.set_xlabel(f"share of the time that a stage is busy (run: {row['streams']} streams)")
    axes.set_title(f"stages of {title(row)}", fontsize=11)


def _lengths(axes: Any, results: dict[str, Any]) -> None:
    lengths = results["corpus"]["lengths"]
    names = [f"{a}-{b - 1}" for a, b in pairwise(lengths["from"])] + [f"{lengths['from'][-1]}+"]
    filled = 1 + max(place for place, count in enumerate(lengths["documents"]) if count)
    axes.bar(names[:filled], lengths["documents"][:filled], color=PEER_COLOR)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("subwords a document")
    axes.set_ylabel("documents")
    waste = [f"{title(row)} {row['padding']:.1%}" for row in measured(results)]
    axes.text(
        0.99,
        0.95,
        "padding\n" + "\n".join(waste),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=8,
    )
