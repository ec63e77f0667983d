"""How fast the machine could be: the model's own matrix products, and nothing else.

The weights' shapes are read from the model; a graph that multiplies a batch by as many weights of
those shapes, one after the other, is run by OpenVINO on all cores. In int8 the activations are
quantized between the products (u8 by s8), as in a quantized model; without instructions for that,
fp32 is faster, and the limit. What a model does besides (attention, layer norms, GELU, soft-max) is
not in the graph: no model reaches the limit.

The products inside attention are counted at the same rate.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np

from ...engine.backends.cores import usable_cores
from ...engine.backends.cpu.int8 import multiplies_int8
from ..driver import Task
from .driver import LimitDriver, products_of
from .products import Products

_LEVELS = 256  # of a quantized activation
_RANGE = np.float32(4)


def open_driver(task: Task) -> LimitDriver:
    """Builds the graph for a bundle's shapes."""
    products, operations = products_of(task)
    streams = usable_cores()
    model = _compile(products, streams, task.precision == "int8" and multiplies_int8())
    shape = task.batch_tokens, products.weights[0][0]
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def multiply(times: int) -> float:
        """Seconds in which each core puts so many batches through the graph."""

        def work(_: int) -> None:
            request = model.create_infer_request()
            for _ in range(times):
                request.infer([batch], share_inputs=True)

        with ThreadPoolExecutor(streams) as pool:
            start = time.perf_counter()
            list(pool.map(work, range(streams)))
            return time.perf_counter() - start

    facts = {"version": version("openvino"), "device": "cpu", "streams": streams}
    return LimitDriver(multiply, operations * streams, facts | {"computed_in": _precisions(model)})


def _precisions(model: Any) -> str:
    """What OpenVINO really multiplies in, such as "u8"."""
    found = {
        node.get_rt_info()["runtimePrecision"].value
        for node in model.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].value == "FullyConnected"
    }
    return ", ".join(sorted(found))


def _compile(products: Products, streams: int, int8: bool) -> Any:
    import openvino as ov
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    first = state = ops.parameter([-1, products.weights[0][0]], np.float32)
    made: list[Any] = []
    for (a, b), copy in zip(products.weights, products.copies, strict=True):
        width = state.get_output_partial_shape(0)[1].get_length()
        if width != a:
            state = ops.slice(ops.tile(state, [1, -(-a // width)]), [0], [a], [1], [1])
        if copy < len(made):
            weight = made[copy]
        elif int8:
            levels = ops.constant(random.integers(-127, 128, (b, a)).astype(np.int8))
            scale = np.full((b, 1), 0.02 / a**0.5, np.float32)
            weight = ops.multiply(ops.convert(levels, np.float32), scale)
        else:
            weight = ops.constant((random.normal(size=(b, a)) / a**0.5).astype(np.float32))
        made.append(weight)
        if int8:
            state = ops.fake_quantize(state, -_RANGE, _RANGE, -_RANGE, _RANGE, _LEVELS)
        state = ops.matmul(state, weight, False, True)
    options = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return ov.Core().compile_model(ov.Model([state], [first], "limit"), "CPU", options)
