"""`nerx view` on the command line: the page appears when it is whole."""

import pytest
from click.testing import CliRunner

from nerx.engine.commands.cli import cli
from nerx.engine.errors import ConfigError, InputError

pytest.importorskip("jinja2", reason="needs the extra view")


def view(*words):
    return CliRunner().invoke(cli, ["view", *map(str, words)], standalone_mode=False)


def test_a_failure_leaves_nothing_and_a_page_is_not_overwritten(tmp_path):
    source, page = tmp_path / "a.jsonl", tmp_path / "page.html"
    source.write_text('{"text": "Bonn"}\n')
    assert isinstance(view(source, "-o", page).exception, InputError)
    assert [*tmp_path.iterdir()] == [source]
    source.write_text('{"text": "Bonn", "entities": []}\n')
    assert view(source, "-o", page).exception is None
    assert b"Bonn" in page.read_bytes()
    assert isinstance(view(source, "-o", page).exception, ConfigError)
    assert view(source, "-o", page, "--force").exception is None
