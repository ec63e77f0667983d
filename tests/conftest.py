"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Without a GPU, Triton kernels run in its interpreter, which is chosen as Triton is imported.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("nerx", deadline=None)  # machines that test are often busy
settings.load_profile("nerx")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of corpora and encoders that are used beside the project, not shipped with it."""
    folder = Path(os.environ.get("NERX_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the corpora in {folder} (set NERX_SHARED to their folder)")
    return folder
