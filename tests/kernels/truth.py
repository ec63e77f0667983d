"""What a kernel is held to: the error that plain torch makes in the same precision."""

from collections.abc import Callable

import torch
from torch import Tensor

# What the last step, rounding to the type of the output, may add to the error.
ROUNDING = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def draw(seed: int, *shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Normal random numbers."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random).to(device, dtype)


def assert_no_worse(
    kernel: Tensor, reference: Callable[..., Tensor], *tensors: Tensor, **options: object
) -> None:
    """A kernel's error against float64 is at most that of plain torch in the kernel's precision."""
    exact = [tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors]
    truth = reference(*exact, upcast=False, **options)
    naive = reference(*tensors, upcast=False, **options)
    assert kernel.shape == truth.shape
    assert kernel.dtype == naive.dtype
    if not truth.numel():
        return
    error = (kernel.double() - truth).abs()
    scale = truth.abs().clamp(min=1)
    allowed = (naive.double() - truth).abs().max() + ROUNDING[kernel.dtype] * scale
    assert (error <= allowed).all(), f"{error.max():.2e} where {allowed.max():.2e} is allowed"
