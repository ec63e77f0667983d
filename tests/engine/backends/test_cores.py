import os
from pathlib import Path

import pytest

from nerx.engine.backends import cores


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(cores, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(cores, "_OWN_GROUPS", tmp_path / "own")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 16),
        ({"own": "0::/", "cpu.max": "max 100000"}, 16),
        ({"own": "0::/", "cpu.max": "400000 100000"}, 4),
        ({"own": "0::/", "cpu.max": "150000 100000"}, 1),
        ({"own": "0::/", "cpu.max": "50000 100000"}, 1),
        ({"own": "0::/a/b", "a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        ({"own": "0::/elsewhere/on/the/host", "cpu.max": "200000 100000"}, 2),
        (
            {
                "own": "5:memory:/x\n4:cpu,cpuacct:/pod\n0::/",
                "cpu/pod/cpu.cfs_quota_us": "600000",
                "cpu/pod/cpu.cfs_period_us": "100000",
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
            },
            6,
        ),
        ({"own": "4:cpuset,cpu:/", "cpu/cpu.cfs_quota_us": "-1"}, 16),
    ],
)
def test_the_quota_of_a_container_bounds_the_cores(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    write(tmp_path, files)
    assert cores.usable_cores() == expected


def test_a_limit_bounds_the_cores_of_this_process_and_its_children(tmp_path: Path) -> None:
    cores.limit_cores(3)
    assert cores.usable_cores() == 3
    assert os.environ["RAYON_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "3"
    write(tmp_path, {"own": "0::/", "cpu.max": "200000 100000"})
    assert cores.usable_cores() == 2
    cores.limit_cores(64)
    assert cores.usable_cores() == 2
