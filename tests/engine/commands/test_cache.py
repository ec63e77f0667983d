"""`nerx cache` as its users meet it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nerx.engine.commands.cli import cli
from nerx.engine.errors import ConfigError
from nerx.engine.files.cache import private_folder

from ...tiny_bundle import write_tiny_bundle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_tiny_bundle(private_folder("models") / "mine-0123")
    (private_folder("openvino", "abc") / "compiled.blob").write_bytes(bytes(2_000_000))
    (private_folder("engines") / "one.engine").write_bytes(b"12")
    (private_folder("models") / ".mine-0123.lock").touch()
    (private_folder("models") / ".half-made.x1").mkdir()
    return tmp_path / "nerx"


def cache(*words: str) -> Result:
    return CliRunner().invoke(cli, ["cache", *words])


def names(result: Result) -> list[str]:
    return [line.split()[2] for line in result.stdout.splitlines()]


def test_everything_is_listed_with_its_size(home: Path) -> None:
    listed = cache()
    expected = ["engines/one.engine", "models/.half-made.x1", "models/mine-0123", "openvino/abc"]
    assert names(listed) == expected
    assert "2.0 MB  openvino/abc\n" in listed.stdout
    assert "models/mine-0123  (fp32)" in listed.stdout
    assert str(home) in listed.stderr


def test_one_is_removed(home: Path) -> None:
    assert "removed" in cache("--clear", "models/mine-0123").stdout
    assert not (home / "models" / "mine-0123").exists()
    assert len(names(cache())) == 3


def test_all_are_removed(home: Path) -> None:
    assert len(names(cache("--clear"))) == 4
    assert names(cache()) == []
    assert private_folder().stat().st_mode & 0o777 == 0o700


def test_a_name_that_is_not_there(home: Path) -> None:
    result = cache("--clear", "models/mine-0123", "models/../../other")
    assert isinstance(result.exception, ConfigError)
    assert "holds no models/../../other" in str(result.exception)
    assert (home / "models" / "mine-0123").exists()
