"""Runtimes that run models, a module each."""

import sys

# Else the import of OpenVINO reports to its makers over the network, from a process of its own.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
