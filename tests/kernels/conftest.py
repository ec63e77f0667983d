"""Where kernels are tested: compiled on a GPU where there is one, else in Triton's interpreter."""

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")
interpreter = pytest.importorskip("triton.runtime.interpreter")

from nerx.kernels import launch  # noqa: E402

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
ON_GPU = torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With a GPU, the kernel tests are GPU tests, so that `pytest -m gpu` runs them."""
    for item in items:
        if ON_GPU and "tests/kernels" in item.path.as_posix():
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and wait for each other where others compute too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The device on which operations on tensors run their kernels."""
    if ON_GPU:
        yield torch.device("cuda")
        return
    monkeypatch.setattr(launch, "INTERPRETED", True)
    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", _dot)
    with np.errstate(over="ignore", invalid="ignore"):  # a GPU does not warn either
        yield torch.device("cpu")


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def _dot(builder, a, b, d, input_precision, max_num_imprecise_acc):
    """The interpreter keeps bfloat16 as its bits, and multiplies these; numpy has no such type."""
    x, y = (_float32(side) for side in (a, b))
    return interpreter.TensorHandle(np.matmul(x, y) + d.data, d.dtype.scalar)


def _float32(side):
    if side.dtype.scalar == interpreter.tl.bfloat16:
        return (side.data.astype(np.uint32) << 16).view(np.float32)
    return side.data.astype(np.float32)
