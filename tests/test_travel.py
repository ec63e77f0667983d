"""nerx runs where it is not installed: from a link to its folder, and three lines of metadata."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
METADATA = "Metadata-Version: 2.1\nName: nerx-engine\nVersion: 0.1.0\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What docs/gpu.md says to make on a machine that nothing is installed on."""
    (tmp_path / "nerx").symlink_to(ROOT)
    info = tmp_path / "nerx_engine-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    return tmp_path


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A Python that does not know where nerx is installed (-S), in another folder."""
    packages = Path(np.__file__).parents[1]
    paths = os.pathsep.join([str(site), str(packages)])
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        cwd=site,
        text=True,
        capture_output=True,
    )


def test_tagging_needs_no_installation_and_no_zstandard(site: Path) -> None:
    pytest.importorskip("openvino")
    (site / "in.txt").write_text("Angela Merkel visited Paris.\n")
    code = """
import sys
sys.modules["zstandard"] = None  # as if it were not installed
from nerx.engine.commands.cli import main
sys.argv = ["nerx", "tag", "--quiet", "in.txt", "-o", "out.jsonl", "--stats", "stats.json"]
main()
"""
    done = run(site, code)
    assert done.returncode == 0, done.stderr
    assert '"word":"Angela Merkel"' in (site / "out.jsonl").read_text()
    assert '"nerx":"0.1.0"' in (site / "stats.json").read_text().replace(" ", "")


def test_a_zst_file_without_zstandard_says_what_to_install(site: Path) -> None:
    (site / "in.jsonl.zst").write_bytes(bytes.fromhex("28b52ffd"))
    code = """
import sys
sys.modules["zstandard"] = None
from nerx.engine.commands.cli import main
sys.argv = ["nerx", "tag", "--quiet", "in.jsonl.zst"]
main()
"""
    done = run(site, code)
    assert done.returncode == 2
    assert "need the package zstandard" in done.stderr
    assert "Traceback" not in done.stderr
