"""A model's name leads to one bundle, which is made at most once."""

import shutil
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from nerx.engine import BundleError, ConfigError, Tagger
from nerx.engine.bundles import find
from nerx.engine.bundles.find import find_bundle

from ...tiny_bundle import write_tiny_bundle


class Exporter(types.ModuleType):
    """In place of `nerx.export.cached`: makes tiny bundles, and tells what was asked for."""

    def __init__(self) -> None:
        super().__init__("cached")
        self.asked: list[tuple[str, str | None]] = []
        self.before: Callable[[], object] = lambda: None

    def make_bundle(self, source: str, revision: str | None, target: Path, say: object) -> None:
        self.asked.append((source, revision))
        self.before()
        write_tiny_bundle(target)


@pytest.fixture(autouse=True)
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exporter:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    exporter = Exporter()
    monkeypatch.setattr(find, "_exporting", lambda why: exporter)
    return exporter


def write_checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_may_be_written_as_it_is(exporter: Exporter) -> None:
    write_tiny_bundle(Path("models") / "mine")
    write_checkpoint(Path("models") / "other")
    assert find_bundle("models/mine").folder == Path("models/mine")
    assert exporter.asked == []
    find_bundle("models/other")
    assert exporter.asked == [("models/other", None)]
    shutil.rmtree("models")
    find_bundle("models/other")  # and now it is a name on the hub
    assert len(exporter.asked) == 2


def test_a_built_in_comes_before_a_folder(exporter: Exporter) -> None:
    write_checkpoint(Path("en"))
    assert find_bundle("en").name == "en"
    assert exporter.asked == []
    find_bundle("./en")
    assert exporter.asked == [("./en", None)]


def test_a_hub_model_is_asked_for_once_for_each_revision(exporter: Exporter) -> None:
    names = [("org/name", None), ("org/name", "v1"), ("org/other", None)]
    found = [find_bundle(*name) for name in names]
    assert [find_bundle(*name) for name in names] == found
    assert exporter.asked == names
    assert len({bundle.folder for bundle in found}) == 3


def test_a_checkpoint_is_exported_again_when_a_file_changes(exporter: Exporter) -> None:
    folder = write_checkpoint(Path("mine"))
    first = find_bundle(folder)
    assert find_bundle(folder) == first
    assert len(exporter.asked) == 1
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert find_bundle(folder).folder != first.folder
    (folder / "tokenizer_config.json").write_text("{}")
    find_bundle(folder)
    assert len(exporter.asked) == 3


def test_no_file_of_weights_is_read_to_find_what_is_there(exporter: Exporter) -> None:
    folder = write_checkpoint(Path("mine"))
    first = find_bundle(folder)
    opened: list[str] = []

    def watch(event: str, details: tuple) -> None:
        if event == "open" and watching:
            opened.append(str(details[0]))

    watching = True
    sys.addaudithook(watch)  # it stays for good, so it must cost nothing after the test
    assert find_bundle(folder) == first
    watching = False
    assert any(name.endswith("nerx.json") for name in opened)
    assert not any(name.endswith(".safetensors") for name in opened)


def test_who_comes_second_waits_and_takes_what_the_first_made(
    exporter: Exporter, capfd: pytest.CaptureFixture
) -> None:
    second = threading.Thread(target=find_bundle, args=("org/name",))
    said: list[str] = []

    def start_the_second() -> None:
        second.start()
        while "waiting for another process" not in (text := capfd.readouterr().err):
            said.append(text)
            assert second.is_alive()

    exporter.before = start_the_second
    find_bundle("org/name")
    second.join()
    assert exporter.asked == [("org/name", None)]


def test_a_failed_export_leaves_the_next_one_free(exporter: Exporter) -> None:
    def fail() -> None:
        raise BundleError("no")

    exporter.before = fail
    with pytest.raises(BundleError):
        find_bundle("org/name")
    exporter.before = lambda: None
    assert find_bundle("org/name").labels


def test_only_models_on_the_hub_have_revisions() -> None:
    write_tiny_bundle(Path("mine"))
    for model in ("en", "./mine", "mine", Path("mine")):
        with pytest.raises(ConfigError, match="only models there have a revision"):
            find_bundle(model, "v1")


def test_the_tagger_takes_what_the_command_takes(exporter: Exporter) -> None:
    write_checkpoint(Path("models") / "mine")
    for model in ("models/mine", Path("models/mine"), "org/name"):
        with Tagger(model) as tagger:
            assert tagger(["Paris"], is_split_into_words=True)["tokens"] == ["Paris"]
    with Tagger("org/name", revision="v1") as tagger:
        assert tagger.bundle.name
    assert exporter.asked == [("models/mine", None), ("org/name", None), ("org/name", "v1")]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.startswith("nerx.export")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nerx.export.cached", None)
    with pytest.raises(ConfigError, match=r"pip install 'nerx-engine\[export\]'"):
        find_bundle("org/name")
