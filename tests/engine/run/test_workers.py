"""`--workers auto`: processes where a thread would be too slow."""

from pathlib import Path

import pytest

from nerx.engine.config import RunConfig
from nerx.engine.model import Model
from nerx.engine.run import run as run_module
from nerx.engine.run import workers
from nerx.engine.run.run import Run
from nerx.engine.run.stats import Stopwatch

from ..conftest import sentence


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 8)


def clock(**seconds: float) -> Stopwatch:
    watch = Stopwatch()
    for name, time in seconds.items():
        watch.add(name, time)
    return watch


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({}, 0),
        ({"encode": 0.3, "render": 0.1, "batch": 0.1, "label": 0.1, "run": 40.0}, 0),
        ({"encode": 2.5, "render": 0.4, "batch": 0.5, "label": 0.4, "run": 8 * 5.1}, 0),
        ({"encode": 2.5, "render": 0.4, "batch": 0.5, "label": 0.4, "run": 8 * 4.9}, 1),
        ({"encode": 2.5, "render": 0.6, "batch": 0.5, "label": 0.5, "run": 8 * 1.0}, 4),
        ({"encode": 99.0, "run": 0.8}, 8),  # no more than cores
        ({"encode": 9.0}, 8),
    ],
)
def test_workers_are_as_many_as_keep_up_with_the_model(
    seconds: dict[str, float], expected: int
) -> None:
    assert workers.workers_needed(clock(**seconds), 10.0, streams=8) == expected


def test_a_gpu_has_processes_from_the_start_and_one_core_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert workers.workers_at_first("cpu") == 0
    assert workers.workers_at_first("cuda:0") == 6
    monkeypatch.setattr(workers, "usable_cores", lambda: 1)
    assert workers.workers_at_first("cuda:0") == 1
    assert workers.workers_needed(clock(encode=9.0, run=1.0), 10.0, streams=1) == 0


def test_a_run_that_has_hardly_begun_starts_none() -> None:
    assert workers.workers_needed(clock(encode=2.0, run=1.0), 3.0, streams=1) == 0


def test_a_run_that_gets_processes_on_its_way_writes_the_same(
    tmp_path: Path, ner_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(sentence(n) + "\n" for n in range(400)))
    outputs = []
    for number, count in ((0, 0), (1, 2)):
        monkeypatch.setattr(run_module, "workers_needed", lambda *_, count=count: count)
        config = RunConfig(
            inputs=(str(source),),
            output=str(tmp_path / str(number)),
            workers=None,
            block_bytes=500,
        )
        with Run(config, ner_model) as run:
            progress = list(run)
        assert len(progress) > 10
        assert run.stats()["workers"] == count
        outputs.append((tmp_path / str(number)).read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 400
