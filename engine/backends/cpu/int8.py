"""int8 in OpenVINO: whether this processor is good at it, and what to do where it is not.

Without instructions for them int8 products take longer than fp32 ones: 1.36 times as long for `en`
with AVX2 alone. With AVX-512 but no VNNI they are fast, but sum two products in 16 bits, which two
of 255 x 127 overflow: a small ALBERT lost 8 % of its labels. So the graph is then computed in fp32,
with the weights that int8 holds, and activations are no longer rounded: labels are as near to the
original's, or nearer.
"""

from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager

_WITHOUT_INSTRUCTIONS = "jit_gemm"  # OpenVINO's int8 product where nothing better can run
_WIDTH = 64


@cache
def multiplies_int8() -> bool:
    """Whether OpenVINO has int8 products here that are faster than fp32, and exact.

    It is asked for one, of ones with ones, both as the largest number that there is. It is so with
    VNNI or AMX, but where `ONEDNN_MAX_CPU_ISA` forbids them.
    """
    states = ops.parameter([_WIDTH, _WIDTH], np.float32)
    rounded = ops.fake_quantize(states, -1.0, 1.0, -1.0, 1.0, 256)
    levels = ops.convert(ops.constant(np.full((_WIDTH, _WIDTH), 127, np.int8)), np.float32)
    weight = ops.multiply(levels, np.full((_WIDTH, 1), 1 / 127, np.float32))
    model = ov.Model([ops.matmul(rounded, weight, False, True)], [states], "probe")
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kernels = [
        node.get_rt_info()["primitiveType"].value
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].value == "FullyConnected"
    ]
    [product] = compiled([np.ones((_WIDTH, _WIDTH), np.float32)]).values()
    exact = np.allclose(product, _WIDTH, rtol=0.1)
    return exact and not any(kernel.startswith(_WITHOUT_INSTRUCTIONS) for kernel in kernels)


def compute_in_fp32(model: Any) -> None:
    """Takes the rounding of activations out of a loaded graph, in place, and expands its weights.

    Embedding tables stay int8: only the rows that are read are expanded.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Multiply" and (exact := _before_rounding(node)):
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(exact)
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _before_rounding(multiply: Any) -> Any:
    """What `multiply` gives back rounded: QuantizeLinear and DequantizeLinear, as they are loaded.

    (x -> FakeQuantize -> Convert to int8) -> (Convert to float -> Subtract, or not -> Multiply)
    """
    node = multiply.input_value(0).get_node()
    if node.get_type_name() == "Subtract":
        node = node.input_value(0).get_node()
    for kind in ("Convert", "Convert"):
        if node.get_type_name() != kind:
            return None
        node = node.input_value(0).get_node()
    return node.input_value(0) if node.get_type_name() == "FakeQuantize" else None
