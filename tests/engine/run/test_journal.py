import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.errors import ConfigError, NerxError
from nerx.engine.run.journal import Journal, Progress

FINGERPRINT = {"model": "abc", "inputs": [["a.txt", 7]], "to": None}


def write(path: Path, *progress: Progress) -> bytes:
    with Journal(path) as journal:
        journal.start(FINGERPRINT)
        for one in progress:
            journal.append(one)
    return path.read_bytes()


def resume(path: Path, fingerprint: dict[str, object] = FINGERPRINT) -> Progress | None:
    with Journal(path) as journal:
        return journal.resume(fingerprint)


@given(cut=st.integers(0, 700))
def test_whatever_is_cut_off_the_last_whole_line_counts(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "out.journal"
    steps = [Progress(records=n, offset=10 * n, rejected=1) for n in (1, 2, 3)]
    data = write(path, *steps)
    kept = data[: max(len(data) - cut, 0)]
    path.write_bytes(kept)
    lines = kept.count(b"\n")
    expected = None if not lines else Progress() if lines == 1 else steps[lines - 2]
    assert resume(path) == expected
    if lines:
        assert path.read_bytes() == kept[: kept.rfind(b"\n") + 1]
        with Journal(path) as journal:
            journal.resume(FINGERPRINT)
            journal.append(Progress(records=9))
        assert resume(path) == Progress(records=9)


def test_what_differs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    write(path, Progress())
    with pytest.raises(ConfigError) as refused:
        resume(path, {"model": "def", "inputs": [["a.txt", 8]], "to": None})
    assert 'inputs was [["a.txt", 7]], is [["a.txt", 8]]; model was "abc", is "def"' in str(
        refused.value
    )
    assert "--force" in str(refused.value)


@pytest.mark.parametrize("line", [b"\0\0\0\n", b"{}}\n", b'{"unknown": 1}\n', b"[1]\n"])
def test_a_damaged_journal_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "out.journal"
    data = write(path, Progress())
    path.write_bytes(data + line)
    with pytest.raises(ConfigError, match=r"is damaged, .* start anew with --force"):
        resume(path)


def test_a_journal_is_open_once(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    with Journal(path), pytest.raises(ConfigError, match="another run writes this output"):
        Journal(path)
    Journal(path).__exit__()


def test_a_line_is_on_the_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.journal"
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(path.read_bytes()))
    data = write(path, Progress(records=1), Progress(records=2))
    assert synced[-1] == data
    assert [one.count(b"\n") for one in synced] == [1, 2, 3]


def test_a_full_disk_is_an_error() -> None:
    journal = Journal(Path("/dev/full"))
    with pytest.raises(NerxError, match="/dev/full cannot be written: No space left on device"):
        journal._write(FINGERPRINT)
    journal.__exit__()
