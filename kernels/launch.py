"""When Triton kernels run, and what is checked before they do."""

from inspect import signature
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl

    HAS_TRITON = True
except ImportError:  # torch for CPU comes without Triton; references run there
    HAS_TRITON = False
    tl = SimpleNamespace(constexpr=None)  # the kernels' signatures name it

FLOATS = (torch.float16, torch.bfloat16, torch.float32)
INTERPRETED = False  # tests set it: kernels then run on CPU tensors too, in Triton's interpreter


def jit(kernel: Any) -> Any:
    """Makes a Triton kernel, which is compiled at its first launch.

    Batches differ in size; no kernel is compiled anew because one is a multiple of 16.
    """
    if not HAS_TRITON:
        return kernel
    sizes = {"subwords", "words"} & set(signature(kernel).parameters)
    return triton.jit(kernel, do_not_specialize=sorted(sizes))


def runs_kernels(tensor: Tensor) -> bool:
    """Whether operations on this tensor are done by Triton kernels; if not, by references."""
    return HAS_TRITON and (tensor.is_cuda or INTERPRETED)


def next_power_of_2(number: int) -> int:
    """The least power of two that is not below `number`, which is 1 or more."""
    return 1 << (number - 1).bit_length()


def tiles(size: int, tile: int) -> int:
    """How many tiles cover a size."""
    return -(-size // tile)


def check_rows(name: str, rows: Tensor) -> None:
    """Checks the tensor that an operation runs over.

    rows: (rows, width) float16, bfloat16 or float32, contiguous

    Raises:
        ValueError: it is not that.
    """
    if rows.dim() != 2 or not rows.shape[1]:
        raise ValueError(f"{name} has the shape {tuple(rows.shape)}; expected (rows, width)")
    if rows.dtype not in FLOATS:
        raise ValueError(f"{name} is {rows.dtype}; expected float16, bfloat16 or float32")
    if not rows.is_contiguous():
        raise ValueError(f"{name} has the strides {rows.stride()}; expected contiguous rows")


def check_like(rows: Tensor, shape: tuple[int, ...], **others: Tensor) -> None:
    """Checks that tensors have a shape, and lie and look like the checked `rows`.

    Raises:
        ValueError: one does not.
    """
    for name, tensor in others.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}; expected {shape}")
        if tensor.dtype != rows.dtype or tensor.device != rows.device:
            raise ValueError(
                f"{name} is {tensor.dtype} on {tensor.device}; "
                f"expected {rows.dtype} on {rows.device}"
            )
        if not tensor.is_contiguous():
            raise ValueError(f"{name} is not contiguous")


def check_index(device: torch.device, size: int, **indices: Tensor) -> None:
    """Checks int32 indices: (size,).

    Raises:
        ValueError: one has another shape, type or device.
    """
    for name, index in indices.items():
        if tuple(index.shape) != (size,) or index.dtype != torch.int32:
            raise ValueError(
                f"{name} has the shape {tuple(index.shape)} and is {index.dtype}; "
                f"expected ({size},) int32"
            )
        if index.device != device or not index.is_contiguous():
            raise ValueError(f"{name} is on {index.device}; expected contiguous on {device}")
