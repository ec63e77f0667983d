"""Labelled files, hostile and large, and a browser to look at their pages."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("NERX_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")


def entity(text: str, word: str, kind: str, score: float = 0.5) -> dict[str, Any]:
    """The first place of `word` in `text`, as `nerx tag` writes it."""
    start = text.index(word)
    end = start + len(word)
    return {"entity_group": kind, "score": score, "word": word, "start": start, "end": end}


def write(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install it, or name it in NERX_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        # In a container, as root, Chromium cannot make the sandbox that it would run pages in.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
