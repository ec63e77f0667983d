"""How fast the machine could be: the model's own matrix products, and nothing else.

The weights' shapes are read from the model; a graph that multiplies a batch by as many weights of
those shapes, one after the other, is run by OpenVINO on all cores. In int8 the activations are
quantized between the products (u8 by s8), as in a quantized model. What a model does besides
(attention, layer norms, GELU, soft-max) is not in the graph: no model reaches the limit.

The products inside attention are counted at the same rate.
"""

import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.backends.cores import usable_cores
from ...engine.bundle import Bundle
from ..driver import Task
from ..labels import Span
from .products import Products, read_products

_PASS_S = 0.5  # how long a pass takes, about
_LEVELS = 256  # of a quantized activation
_RANGE = np.float32(4)


def open_driver(task: Task) -> "LimitDriver":
    """Builds the graph for a bundle's shapes."""
    return LimitDriver(task)


class LimitDriver:
    """The machine as a system: `run` multiplies, `report` says at which rate."""

    def __init__(self, task: Task) -> None:
        products = read_products(Bundle.load(Path(task.model)))
        assert products, "the limit is asked of models with matrix products only"
        self._streams = usable_cores()
        self._rows = task.batch_tokens
        self._width = products.weights[0][0]
        self._operations = 2.0 * self._rows * sum(a * b for a, b in products.weights)
        self._model = _compile(products, self._streams, task.precision == "int8")
        self._rate = 0.0
        self.facts = {
            "version": version("openvino"),
            "device": "cpu",
            "streams": self._streams,
            "computed_in": self._precisions(),
        }
        self._passes = 1
        self._multiply(1)
        seconds = self._multiply(1)
        self._passes = max(1, round(_PASS_S / seconds))

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        pass

    def run(self, batch_size: int) -> None:
        seconds = self._multiply(self._passes)
        self._rate = self._operations * self._passes * self._streams / seconds

    def report(self) -> dict[str, Any]:
        return {"operations_per_s": self._rate}

    def spans(self, documents: int) -> list[list[Span]]:
        return []

    def _multiply(self, times: int) -> float:
        """Seconds in which each core puts so many batches through the graph."""
        batch = np.random.default_rng(0).normal(size=(self._rows, self._width)).astype(np.float32)

        def work() -> None:
            request = self._model.create_infer_request()
            for _ in range(times):
                request.infer([batch], share_inputs=True)

        threads = [threading.Thread(target=work) for _ in range(self._streams)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    def _precisions(self) -> str:
        """What OpenVINO really multiplies in, such as "u8"."""
        found = {
            node.get_rt_info()["runtimePrecision"].value
            for node in self._model.get_runtime_model().get_ops()
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
