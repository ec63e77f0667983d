import json
from pathlib import Path

import pytest

from nerx.benchmarks import measure, process
from nerx.benchmarks.driver import Task
from nerx.benchmarks.systems import System

from ..tiny_bundle import write_tiny_bundle

HERE = Path(__file__).parent


@pytest.fixture
def quick(monkeypatch):
    """Measures in moments, and lets child processes import the scripted peer."""
    monkeypatch.setattr(measure, "ROUNDS", 2)
    monkeypatch.setattr(measure, "MIN_PASS_S", 0.05)
    monkeypatch.setattr(measure, "BATCH_SIZES", (1, 2, 4))
    monkeypatch.setattr(process, "PATIENCE_S", 60.0)
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_bundle(tmp_path / "tiny")


@pytest.fixture
def scripted(tmp_path):
    """Makes a peer that labels and dawdles as it is told."""

    def make(name="scripted", seconds_a_word=1e-5, tags=None, **script):
        path = tmp_path / f"{name}.json"
        values = {"seconds_a_word": seconds_a_word, "tags": tags or {}} | script
        path.write_text(json.dumps(values))
        task = Task(model=str(path), joint=" ")
        return System(name, "scripted_peer:open_driver", task, searches=True)

    return make
