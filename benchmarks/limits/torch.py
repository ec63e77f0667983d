"""How fast a GPU could be: the model's own matrix products by torch, and copies in its memory."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torch.nn.functional import linear

from ...engine.backends.torch.backend import DTYPES, find_device
from ..driver import Task
from .driver import LimitDriver, products_of
from .products import Products

_COPIED = {"cpu": 1 << 26, "cuda": 1 << 30}  # bytes


def open_driver(task: Task) -> LimitDriver:
    """Makes weights of a bundle's shapes on the device."""
    products, operations = products_of(task)
    device = find_device(task.device)
    place = {"device": device, "dtype": DTYPES[task.precision]}
    weights = make_weights(products, place)
    batch = torch.randn(task.batch_tokens, products.weights[0][0], **place)
    source = torch.zeros(_COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def multiply() -> None:
        state = batch
        with torch.inference_mode():
            for weight in weights:
                width = weight.shape[1]
                if state.shape[1] < width:
                    state = state.repeat(1, -(-width // state.shape[1]))
                state = linear(state[:, :width], weight)

    def seconds(work: Callable[[], object], times: int) -> float:
        _wait(device)
        start = time.perf_counter()
        for _ in range(times):
            work()
        _wait(device)
        return time.perf_counter() - start

    def copying() -> dict[str, float]:
        taken = seconds(lambda: target.copy_(source), 10)
        return {"copied_bytes_per_s": 2.0 * len(source) * 10 / taken}  # read and written

    facts = {
        "version": version("torch"),
        "device": str(device),
        "computed_in": str(batch.dtype).removeprefix("torch."),
    }
    return LimitDriver(lambda times: seconds(multiply, times), operations, facts, copying)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def make_weights(products: Products, place: dict[str, Any]) -> list[torch.Tensor]:
    """Random weights, one tensor where products share theirs."""
    made: list[torch.Tensor] = []
    for (a, b), copy in zip(products.weights, products.copies, strict=True):
        made.append(made[copy] if copy < len(made) else torch.randn(b, a, **place) / a**0.5)
    return made
