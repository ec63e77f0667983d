"""A Ray job whose processes are killed, over and over, loses and doubles no row.

Three times; `NERX_KILLS=20` asks for more.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import NERX, Cluster
from .hostile import texts

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("ray", reason="needs Ray")

KILLS = int(os.environ.get("NERX_KILLS", "3"))
FILES, ROWS = 12, 1000  # rows of a file
LONGEST_S = 600.0  # from one start of the job to its end
FIRST_S = 4.0  # of a job, in which the driver only starts


def write_tables(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        first = number * ROWS
        bodies = [" ".join(filter(None, texts(40, seed))) for seed in range(first, first + ROWS)]
        rows = pa.table({"id": range(first, first + ROWS), "text": bodies})
        pq.write_table(rows, folder / f"{number}.parquet")


class Job:
    """A job that is started, and started again with `--resume`, until it has ended well."""

    def __init__(self, cluster: Cluster, folder: Path, model: Path, output: str) -> None:
        self._cluster, self._folder = cluster, folder
        self._words = ["tag", "in/*.parquet", "-m", str(model), "--cluster", "ray"]
        self._words += ["--id-column", "id", "--output-dir", output]
        self._log = folder / "log"
        self.failed = 0  # times that it ended with an error of Ray's, after which it went on
        self._driver = self._start()

    def _start(self, *more: str) -> "subprocess.Popen[str]":
        with self._log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-c", NERX, *self._words, *more],
                cwd=self._folder,
                env=self._cluster.environment,
                stdout=log,
                stderr=log,
                text=True,
            )

    def ended(self, within_s: float) -> bool:
        """Whether it has come to its end, for which it is waited so long."""
        try:
            code = self._driver.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        if code == 3 and "the Ray job failed" in self._log.read_text():
            self.failed += 1  # as when an actor is killed while it starts
            self._driver = self._start("--resume")
            return False
        assert code == 0, self._log.read_text()[-3000:]
        return True

    def kill(self, kind: str) -> bool:
        """Kills the driver, which is started anew, or a process of Ray's; whether there was one."""
        if kind == "driver":
            self._driver.kill()
            self._driver.wait()
            self._driver = self._start("--resume")
            return True
        actors = self._cluster.processes("ray::MapWorker")
        if kind == "worker":  # what reads, writes, or waits to do so
            names = ("ray::ReadParquet", "ray::Write", "ray::Map(", "ray::IDLE")
            found = [pid for name in names for pid in self._cluster.processes(name)]
        else:
            found = actors
        for pid in found[:1]:
            os.kill(pid, signal.SIGKILL)
        return bool(found)


@pytest.mark.slow
def test_no_row_is_lost_or_doubled(cluster: Cluster, models: Path, tmp_path: Path) -> None:
    write_tables(tmp_path / "in")
    chosen, kinds = random.Random(7), ("driver", "actor", "worker")
    killed: list[str] = []
    jobs = failed = 0
    while len(killed) < KILLS:
        jobs += 1
        job = Job(cluster, tmp_path, models / "ner", f"out{jobs}")
        began = time.monotonic()
        wait_s = FIRST_S
        while not job.ended(wait_s):
            assert time.monotonic() - began < LONGEST_S
            wait_s = chosen.uniform(0.3, 6)
            kind = kinds[len(killed) % len(kinds)]
            if len(killed) < KILLS and job.kill(kind):
                killed.append(kind)
                if kind == "driver":
                    wait_s += FIRST_S
        failed += job.failed
        ids = pq.read_table(tmp_path / f"out{jobs}", columns=["id"])["id"].to_pylist()
        assert sorted(ids) == list(range(FILES * ROWS))
    print(f"{len(killed)} kills in {jobs} jobs, which failed {failed} times and went on")
