"""The end of each half of a transformer layer: bias, residual and layer norm.

    out = norm(x + bias + residual) * gamma + beta
    norm(x) = (x - mean(x)) / sqrt(var(x) + eps)

x, residual, out: (subwords, width); bias, gamma, beta: (width,); sums are float32.
"""

import torch
from torch import Tensor

from .launch import check_like, check_rows, jit, next_power_of_2, runs_kernels, tl


def residual_norm_reference(
    x: Tensor,
    bias: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    *,
    upcast: bool = True,
) -> Tensor:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensors."""
    kind = torch.float32 if upcast else x.dtype
    summed = x.to(kind) + bias.to(kind) + residual.to(kind)
    normed = torch.nn.functional.layer_norm(
        summed, summed.shape[-1:], gamma.to(kind), beta.to(kind), eps
    )
    return normed.to(x.dtype)


@jit
def _residual_norm_kernel(
    x_in,
    bias,
    residual,
    gamma,
    beta,
    out,
    width,
    eps,
    WIDTH: tl.constexpr,  # noqa: N803
):
    at = tl.program_id(0).to(tl.int64) * width
    column = tl.arange(0, WIDTH)
    inside = column < width
    x = tl.load(x_in + at + column, mask=inside, other=0).to(tl.float32)
    x += tl.load(residual + at + column, mask=inside, other=0).to(tl.float32)
    x += tl.load(bias + column, mask=inside, other=0).to(tl.float32)
    x -= tl.sum(x, axis=0) / width
    x = tl.where(inside, x, 0.0)
    x *= 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / width + eps)
    scale = tl.load(gamma + column, mask=inside, other=0).to(tl.float32)
    shift = tl.load(beta + column, mask=inside, other=0).to(tl.float32)
    y = x * scale + shift
    tl.store(out + at + column, y.to(out.dtype.element_ty), mask=inside)


def residual_norm(
    x: Tensor,
    bias: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    *,
    check: bool = True,
) -> Tensor:
    """The formula above.

    check: False where such tensors were checked before, so that launching costs less

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    if check:
        check_rows("x", x)
        check_like(x, tuple(x.shape), residual=residual)
        check_like(x, (x.shape[1],), bias=bias, gamma=gamma, beta=beta)
    if not runs_kernels(x):
        return residual_norm_reference(x, bias, residual, gamma, beta, eps)
    subwords, width = x.shape
    out = torch.empty_like(x)
    if subwords:
        _residual_norm_kernel[(subwords,)](
            x,
            bias,
            residual,
            gamma,
            beta,
            out,
            width,
            eps,
            WIDTH=next_power_of_2(width),
            num_warps=1,  # a row: its sums need no shared memory, no barrier
        )
    return out
