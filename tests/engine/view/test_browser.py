"""Pages in Chromium: hostile data runs nothing, and all can be reached by keyboard."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from nerx.engine.view.view import view, view_both

from .conftest import entity, write

pytest.importorskip("jinja2", reason="needs jinja2")

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    '"><img src=http://127.0.0.1:9/x onerror=alert(2)>',
    "' onmouseover='alert(3)",
    "javascript:alert(4)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "]]><svg onload=alert(5)>",
    "&lt;script&gt;",
    "\u202e\u2066txt",
    "\x00\x1b[31m",
    "${alert(6)}`",
    "<iframe srcdoc='<script>alert(7)</script>'>",
    "<base href=http://127.0.0.1:9/>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
]


def hostile_records(count: int) -> list[dict]:
    chosen = random.Random(2)
    records = []
    for _ in range(count):
        word, kind = chosen.choice(HOSTILE), chosen.choice(HOSTILE)
        text = chosen.choice(HOSTILE) + " " + word + chosen.choice(HOSTILE)
        found = [entity(text, word, kind, chosen.random())]
        records.append({"id": chosen.choice(HOSTILE), "text": text, "entities": found, word: kind})
    return records


class Watched:
    """A page in the browser, and all that it did beside showing itself."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.page = browser.new_page(**options)
        self.events: list[str] = []
        self.page.on("dialog", lambda dialog: (self.events.append("dialog"), dialog.dismiss()))
        self.page.on("console", lambda message: self.events.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.events.append(f"error: {error}"))
        self.page.on("request", lambda request: self.events.append(f"request: {request.url}"))
        self.page.on("popup", lambda _: self.events.append("popup"))
        self.page.goto(path.as_uri())

    def strange(self) -> list[str]:
        own = f"request: {self.page.url}"
        return [event for event in self.events if event != own]


def test_hostile_records_run_nothing(tmp_path, browser):
    name = "'><img src=x onerror=alert(8)>.jsonl"
    labelled = write(tmp_path / name, hostile_records(10_000))
    path = tmp_path / "page.html"
    path.write_bytes(view(labelled))
    assert path.stat().st_size < 2_000_000
    watched = Watched(browser, path)
    page = watched.page
    assert page.locator("h1").inner_text() == name
    assert page.locator("#sample article").count() == 300
    page.mouse.move(400, 500)
    for kind in page.locator(".type").all()[:3]:
        kind.click()
        kind.click()
    for row in page.locator(".name").all()[:5]:
        row.click()
    for tab in page.locator("input[name=list]").all():
        tab.check()
    assert watched.strange() == []
    page.close()


def test_a_comparison_of_hostile_records_runs_nothing(tmp_path, browser):
    records = hostile_records(500)
    first = write(tmp_path / "a.jsonl", records)
    second = write(tmp_path / "b.jsonl", [record | {"entities": []} for record in records])
    path = tmp_path / "page.html"
    path.write_bytes(view_both((first, second)))
    watched = Watched(browser, path)
    assert watched.page.locator("article").count() == 200
    assert watched.strange() == []
    watched.page.close()


@pytest.fixture
def news(tmp_path):
    cities = ["Paris", "Lima", "Oslo", "Bonn"]
    records = []
    for number in range(40):
        city = cities[number % 4]
        kind = "LOC" if number % 2 else "ORG"
        text = f"They met in {city} again."
        records.append({"id": number, "text": text, "entities": [entity(text, city, kind)]})
    path = tmp_path / "page.html"
    path.write_bytes(view(write(tmp_path / "news.jsonl", records)))
    return path


def test_what_is_found_can_be_searched_and_filtered(news, browser):
    page = Watched(browser, news).page
    status = page.locator("#status")
    assert status.inner_text() == "40 of 40 records"
    page.locator("#search").fill("PARIS")
    assert status.inner_text() == "10 of 40 records"
    page.locator("#search").fill("org")  # a label is no text
    assert status.inner_text() == "0 of 40 records"
    page.locator("#search").fill("")
    page.locator(".type", has_text="LOC").click()
    assert status.inner_text() == "20 of 40 records"
    page.locator(".name", has_text="Oslo").click()
    assert status.inner_text() == "0 of 40 records"  # Oslo is an ORG
    page.locator(".type", has_text="LOC").click()
    assert status.inner_text() == "10 of 40 records"
    page.locator(".name", has_text="Oslo").click()
    assert status.inner_text() == "40 of 40 records"
    page.close()


def test_every_control_is_reached_by_keyboard_alone(news, browser):
    page = Watched(browser, news).page
    controls = page.locator("button, input:not([type=radio])").count()
    reached = set()
    for _ in range(controls + 3):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "[...document.querySelectorAll('button, input')].indexOf(document.activeElement)"
            )
        )
    names = page.evaluate(
        "[...document.querySelectorAll('button, input')].map(e => e.type + (e.checked ? '+' : ''))"
    )
    missed = [name for place, name in enumerate(names) if place not in reached]
    assert missed == ["radio"] * 2  # arrow keys lead to the other radio buttons
    page.locator("input[name=list]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#doubtful").is_visible()
    assert not page.locator("#sample").is_visible()
    page.close()


def test_axe_finds_nothing_to_object_to(news, browser, axe):
    for scheme in ("light", "dark"):
        for width in (1280, 400):
            watched = Watched(
                browser,
                news,
                color_scheme=scheme,
                viewport={"width": width, "height": 800},
                bypass_csp=True,  # so that axe can be put into the page
            )
            watched.page.evaluate(axe)
            result = watched.page.evaluate("axe.run()")
            faults = [(item["id"], item["nodes"][0]["html"]) for item in result["violations"]]
            assert not faults
            watched.page.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, where npm has installed it."""
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    try:
        root = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=True)
        folders.append(root.stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        pass
    for folder in filter(None, folders):
        if (path := Path(folder) / "axe-core" / "axe.min.js").is_file():
            return path.read_text()
    pytest.skip("needs axe-core: npm install -g axe-core")
