"""How fast a GPU could be: the model's own matrix products by torch, and copies in its memory."""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import linear

from ...engine.backends.torch.backend import DTYPES, find_device
from ...engine.bundle import Bundle
from ..driver import Task
from ..labels import Span
from .products import Products, read_products

_PASS_S = 0.5  # how long a pass takes, about
_COPIED = {"cpu": 1 << 26, "cuda": 1 << 30}  # bytes


def open_driver(task: Task) -> "TorchLimitDriver":
    """Makes weights of a bundle's shapes on the device."""
    return TorchLimitDriver(task)


class TorchLimitDriver:
    """A device as a system: `run` multiplies and copies, `report` says at which rates."""

    def __init__(self, task: Task) -> None:
        products = read_products(Bundle.load(Path(task.model)))
        assert products, "the limit is asked of models with matrix products only"
        self._device = find_device(task.device)
        place = {"device": self._device, "dtype": DTYPES[task.precision]}
        self._weights = _make_weights(products, place)
        self._batch = torch.randn(task.batch_tokens, products.weights[0][0], **place)
        self._operations = 2.0 * task.batch_tokens * sum(a * b for a, b in products.weights)
        self._source = torch.zeros(
            _COPIED[self._device.type], dtype=torch.uint8, device=self._device
        )
        self._target = torch.empty_like(self._source)
        self._rates: dict[str, Any] = {}
        self.facts = {
            "version": version("torch"),
            "device": str(self._device),
            "computed_in": str(self._batch.dtype).removeprefix("torch."),
        }
        self._multiply()
        self._passes = max(1, round(_PASS_S / self._seconds(self._multiply, 1)))

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        pass

    def run(self, batch_size: int) -> None:
        seconds = self._seconds(self._multiply, self._passes)
        copying = self._seconds(lambda: self._target.copy_(self._source), 10)
        self._rates = {
            "operations_per_s": self._operations * self._passes / seconds,
            "copied_bytes_per_s": 2.0 * len(self._source) * 10 / copying,  # read and written
        }

    def report(self) -> dict[str, Any]:
        return self._rates

    def spans(self, documents: int) -> list[list[Span]]:
        return []

    def _multiply(self) -> None:
        state = self._batch
        with torch.inference_mode():
            for weight in self._weights:
                width = weight.shape[1]
                if state.shape[1] < width:
                    state = state.repeat(1, -(-width // state.shape[1]))
                state = linear(state[:, :width], weight)

    def _seconds(self, work: Any, times: int) -> float:
        self._wait()
        start = time.perf_counter()
        for _ in range(times):
            work()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _make_weights(products: Products, place: dict[str, Any]) -> list[torch.Tensor]:
    made: list[torch.Tensor] = []
    for (a, b), copy in zip(products.weights, products.copies, strict=True):
        made.append(made[copy] if copy < len(made) else torch.randn(b, a, **place) / a**0.5)
    return made
