"""`nerx info` as its users meet it."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerx.engine.backends import cores
from nerx.engine.backends.select import BACKENDS, installed_runtimes
from nerx.engine.bundle import builtin_names
from nerx.engine.commands.info import command


def info() -> dict[str, list[str]]:
    """The lines by their first word."""
    found: dict[str, list[str]] = {}
    for line in CliRunner().invoke(command, catch_exceptions=False).output.splitlines():
        kind, _, rest = line.partition(" ")
        found.setdefault(kind, []).append(rest.strip())
    return found


def test_every_runtime_has_its_version_or_what_installs_it() -> None:
    lines, installed = info(), installed_runtimes(BACKENDS)
    assert [line.split()[0] for line in lines["runtime"]] == list(BACKENDS)
    for line in lines["runtime"]:
        name, rest = line.split(maxsplit=1)
        assert rest == installed[name] if name in installed else "pip install" in rest
    assert [line.split()[0] for line in lines["model"]] == list(builtin_names())
    assert all(re.search(r"\d+ MB, int8; MIT; .* F1 0\.[89]\d", line) for line in lines["model"])


def test_gpus_are_named_by_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_GPUS", tmp_path)
    assert info()["gpu"] == ["none that an NVIDIA driver knows"]
    for number in (1, 2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
        text = f"Model: \t\t NVIDIA H{number}00 80GB HBM3\nIRQ:   \t\t 16\n"
        (tmp_path / f"0000:0{number}:00.0" / "information").write_text(text)
    assert info()["gpu"] == ["NVIDIA H100 80GB HBM3, NVIDIA H200 80GB HBM3"]


def test_json_holds_what_the_lines_say() -> None:
    found = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).output)
    lines = info()
    assert f"{found['cores']} of {found['cores_of_machine']} cores" in lines["machine"][0]
    assert lines["auto"] == [f"{found['auto']['backend']}: {found['auto']['reason']}"]
    assert [name for name, state in found["runtimes"].items() if state] == list(
        installed_runtimes(BACKENDS)
    )
    for model, line in zip(found["models"], lines["model"], strict=True):
        assert f"{model['bytes'] / 1e6:.0f} MB" in line
        assert all(f"{key} {value}" in line for key, value in model["scores"].items())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX2 is of x86-64")
def test_the_choice_is_told_with_its_reason() -> None:
    pytest.importorskip("openvino")
    program = "from nerx.engine.commands.cli import cli; cli(['info'])"
    env = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    [choice] = [line for line in done.stdout.splitlines() if line.startswith("auto")]
    assert "openvino: int8 products are slow or overflow here" in choice
