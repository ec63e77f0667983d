"""A Ray cluster of this machine, shared by all tests that need one."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ...tiny_bundle import write_tiny_bundle

CLUSTER = """
import ray, sys
ray.init(num_cpus=4, include_dashboard=False, object_store_memory=200 << 20)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
NERX = "from nerx.engine.commands.cli import main; main()"


class Cluster(NamedTuple):
    """A running cluster, and what marks its processes."""

    environment: dict[str, str]
    mark: bytes

    def processes(self, name: str) -> list[int]:
        """Those whose title begins so, such as `ray::MapWorker`."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                titled = (path / "cmdline").read_bytes().startswith(name.encode())
                if titled and self.mark in (path / "environ").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
        return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="needs Ray")
    mark = uuid.uuid4().hex
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "NERX_TEST_CLUSTER": mark}
    settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": mark}
    environment = {**os.environ, **settings}
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        address = next(line.strip() for line in lines if ":" in line and " " not in line.strip())
        yield Cluster({**environment, "RAY_ADDRESS": address}, mark.encode())
        process.communicate()  # closes its input, at which it ends


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model `ner`."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_bundle(folder / "ner")
    return folder


@pytest.fixture
def nerx(cluster: Cluster, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a command line on the cluster, in the folder of the test."""

    def run(*words: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", NERX, *map(str, words)],
            cwd=tmp_path,
            env=cluster.environment,
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    return run
