"""A limit as a system that takes turns with the others: it multiplies, and says at which rate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...engine.bundle import Bundle
from ..driver import Task
from ..labels import Span
from .products import Products, read_products

_PASS_S = 0.5  # how long a pass takes, about


class LimitDriver:
    """Multiplies a batch by a model's weights, again and again.

    multiply: does it so many times and gives the seconds
    operations: of one time
    others: measures what else there is to say
    """

    def __init__(
        self,
        multiply: Callable[[int], float],
        operations: float,
        facts: dict[str, Any],
        others: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self.facts = facts
        self._multiply, self._operations, self._others = multiply, operations, others
        self._rates: dict[str, float] = {}
        multiply(1)
        self._times = max(1, round(_PASS_S / multiply(1)))

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        pass

    def run(self, batch_size: int) -> None:
        rate = self._operations * self._times / self._multiply(self._times)
        self._rates = {"operations_per_s": rate} | self._others()

    def report(self) -> dict[str, Any]:
        return self._rates

    def spans(self, documents: int) -> list[list[Span]]:
        return []


def products_of(task: Task) -> tuple[Products, float]:
    """The products of the task's model, and the operations of a batch."""
    products = read_products(Bundle.load(Path(task.model)))
    assert products, "the limit is asked of models with matrix products only"
    return products, 2.0 * task.batch_tokens * sum(a * b for a, b in products.weights)
