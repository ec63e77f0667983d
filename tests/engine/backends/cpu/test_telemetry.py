import subprocess
import sys

import pytest


def test_openvino_reports_to_nobody() -> None:
    pytest.importorskip("openvino")
    program = (
        "import multiprocessing, sys\n"
        "multiprocessing.Process.start = lambda self: sys.exit('a process was started')\n"
        "import nerx.engine.backends.cpu.openvino\n"
        "assert not any(name.startswith('openvino_telemetry.') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
