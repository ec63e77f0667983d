"""The two pictures of README.md: labelled news as `nerx view` shows it, and speed beside peers.

    python -m nerx.benchmarks.suites.pictures

Draws what benchmarks/results/tag_en.json and tag_zh.json hold. Needs Chromium, and the extras
`bench` and `test`.
"""

import json
import shutil
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..places import RESULTS, ROOT
from ..plot import bar_color, drawing
from ..rows import measured
from ..watched import run_nerx

_WIDTH, _HEIGHT = 1200, 640  # of the page
_NAMES = {"optimum": "optimum, ONNX Runtime", "spacy": "spaCy", "ckip": "ckip-transformers"}


def photograph_page(path: Path) -> None:
    """Labels examples/news.jsonl and writes the top of its page as a PNG file."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        labelled, page = (str(Path(folder, name)) for name in ("news.jsonl", "page.html"))
        run_nerx(["tag", str(ROOT / "examples" / "news.jsonl"), "-o", labelled])
        run_nerx(["view", labelled, "-o", page])
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        window.goto(Path(page).as_uri())
        Image.open(BytesIO(window.screenshot())).quantize().save(path, optimize=True)
        browser.close()


def draw_speeds(results: list[dict[str, Any]], path: Path) -> None:
    """Draws the fastest rows of nerx and of its peers, side by side for each model."""
    with drawing(path, 1, len(results), figsize=(10, 2.2), dpi=120) as panels:
        for axes, result in zip(panels, results, strict=True):
            rows = fastest(measured(result))
            bars = axes.barh(
                [_name(row) for row in rows],
                [row["words_per_s"]["median"] for row in rows],
                color=[bar_color(row) for row in rows],
            )
            texts = "{words_per_s[median]:,.0f}   {ratio[median]:.1f}x"
            axes.bar_label(bars, [texts.format(**row) for row in rows], padding=4, fontsize=9)
            axes.invert_yaxis()
            axes.margins(x=0.6)
            axes.set_xticks([])
            name, unit = result["model"]["name"], result["corpus"]["unit"]
            axes.set_title(f"{name}: {unit} a second", fontsize=10)
            axes.spines["bottom"].set_visible(False)


def fastest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fastest row of each system in each precision, fastest first."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: -row["words_per_s"]["median"]):
        best.setdefault((row["system"], row["precision"]), row)
    return list(best.values())


def _name(row: dict[str, Any]) -> str:
    return f"{_NAMES.get(row['system'], row['system'])}, {row['precision']}"


@click.command()
def main() -> None:
    """Writes docs/view.png and docs/speed.png."""
    results = [json.loads((RESULTS / f"tag_{name}.json").read_text()) for name in ("en", "zh")]
    draw_speeds(results, ROOT / "docs" / "speed.png")
    photograph_page(ROOT / "docs" / "view.png")


if __name__ == "__main__":
    main()
