"""Where the project's own measurements find their texts and leave their results."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SHARED = Path(os.environ.get("NERX_SHARED", ROOT.parent / "shared"), "data")
TEXTS = SHARED / "text"
