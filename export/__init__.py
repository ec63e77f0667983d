"""Checkpoints to bundles: ONNX, quantization, the parity gate."""

from ..engine import backends  # noqa: F401  # before NNCF, which else reports to its makers
