import subprocess
import sys

import pytest


def test_quantizing_reports_to_nobody() -> None:
    pytest.importorskip("nncf")
    program = (
        "import sys, nerx.export.quantize, nncf.telemetry.wrapper as wrapper\n"
        "assert not isinstance(wrapper.telemetry, wrapper.NNCFTelemetry)\n"
        "assert not any(name.startswith('openvino_telemetry.') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
