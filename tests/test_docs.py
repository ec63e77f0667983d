"""The examples of the README and of docs/ run: shell as a user would type it, and Python.

What stands indented, not in fences, needs a GPU, the hub, hours, or is no command; that its options
exist is tested with the house.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import zstandard

pytest.importorskip("sybil", reason="needs sybil")

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
LABELLED = (
    b'{"text": "Oslo", "entities": '
    b'[{"entity_group": "PER", "score": 0.5, "word": "Oslo", "start": 0, "end": 4}]}\n'
)
if not (ROOT / "docs").is_dir():
    pytest.skip("needs the docs of a checkout", allow_module_level=True)


def prepare(folder: Path) -> None:
    """The files that the examples name, few records of each."""
    news = (EXAMPLES / "news.jsonl").read_bytes().splitlines(keepends=True)
    prose = (EXAMPLES / "prose_zh.txt").read_bytes()
    conll = "Angela B-PER\nMerkel I-PER\nvisited O\nParis B-LOC\n\n"
    files = {
        "corpus.jsonl": b"".join(news[:3]),
        "more.jsonl": b"".join(news[3:5]),
        "letters.jsonl": b"".join(news[5:7]),
        "tokens.jsonl": b'{"tokens": ["Angela", "Merkel", "smiled"]}\n',
        "corpus.txt": b"Angela Merkel visited Paris.\nNobody did.\n",
        "novel.txt": prose,
        "prose_zh.txt": prose,
        "gold.conll": conll.encode(),
        "bank.conllu": ("1\tEU" + "\t_" * 8 + "\n\n").encode(),
        "corpus.jsonl.zst": zstandard.compress(b"".join(news[:3])),
        "first.jsonl": LABELLED,
        "second.jsonl": LABELLED.replace(b"PER", b"ORG"),
        "predicted.conll": conll.replace("I-PER", "O").encode(),
        "secret.key": b"0123456789abcdef0123456789abcdef",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


class Shell:
    """Runs commands as they are typed, each block of them in a new folder."""

    def __init__(self, folder: Path) -> None:
        self._here = folder / "here"
        programs = folder / "bin"
        programs.mkdir()
        program = "from nerx.engine.commands.cli import main; main()"
        (programs / "nerx").write_text(f"#!/usr/bin/env {Path(sys.executable).name}\n{program}\n")
        (programs / "nerx").chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = os.environ | {
            "PATH": os.pathsep.join(path),
            "BROWSER": "true",  # what --open starts
            "PYTHONSAFEPATH": "1",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def __call__(self, example: Any) -> None:
        shutil.rmtree(self._here, ignore_errors=True)
        self._here.mkdir()
        prepare(self._here)
        done = subprocess.run(
            ["bash", "-euc", example.parsed],
            cwd=self._here,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        where = f"{example.path}:{example.line}"
        assert done.returncode == 0, f"{where}\n{example.parsed}\n{done.stderr}"


PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    if path.name != "scale.md"  # whose recipes are tests of their own
    and re.search("^```(sh|python)$", path.read_text("utf-8"), re.M)
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2")
    parsers = [
        PythonCodeBlockParser(),
        CodeBlockParser("sh", Shell(tmp_path)),
        SkipParser(),
    ]
    document = Sybil(parsers=parsers, path=str(page.parent)).parse(page)
    document.namespace["no_spacy"] = find_spec("spacy") is None
    if find_spec("spacy"):  # an environment may be older than the entry points
        import_module("nerx.engine.adapters.spacy")
    folder = tmp_path / "python"
    folder.mkdir()
    prepare(folder)
    monkeypatch.chdir(folder)
    for example in document.examples():
        with suppress(SkipTest):
            example.evaluate()
