"""Checkpoints to bundles: ONNX, quantization, the parity gate."""

import nerx.engine.backends  # noqa: F401  # before NNCF, which else reports to its makers
