"""The end of each half of a transformer layer: bias, residual and layer norm.

    out = norm(x + bias + residual) * gamma + beta
    norm(x) = (x - mean(x)) / sqrt(var(x) + eps)

x, residual, out: (subwords, width); bias, gamma, beta: (width,); sums are float32.
"""

import torch
from torch import Tensor

from .launch import (
    check_like,
    check_rows,
    jit,
    next_power_of_2,
    runs_kernels,
    tiles,
    tl,
)

_ROWS = 4  # a program, so that each of its four warps has a row of its own


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
    subwords,
    width,
    eps,
    ROWS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    inside = column < width
    cell = (row < subwords)[:, None] & inside[None, :]
    at = row.to(tl.int64)[:, None] * width + column[None, :]
    x = tl.load(x_in + at, mask=cell, other=0).to(tl.float32)
    x += tl.load(residual + at, mask=cell, other=0).to(tl.float32)
    x += tl.load(bias + column, mask=inside, other=0).to(tl.float32)[None, :]
    x -= (tl.sum(x, axis=1) / width)[:, None]
    x = tl.where(cell, x, 0.0)
    x *= (1.0 / tl.sqrt(tl.sum(x * x, axis=1) / width + eps))[:, None]
    scale = tl.load(gamma + column, mask=inside, other=0).to(tl.float32)
    shift = tl.load(beta + column, mask=inside, other=0).to(tl.float32)
    y = x * scale[None, :] + shift[None, :]
    tl.store(out + at, y.to(out.dtype.element_ty), mask=cell)


def residual_norm(
    x: Tensor, bias: Tensor, residual: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> Tensor:
    """The formula above.

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    check_rows("x", x)
    check_like(x, tuple(x.shape), residual=residual)
    check_like(x, (x.shape[1],), bias=bias, gamma=gamma, beta=beta)
    if not runs_kernels(x):
        return residual_norm_reference(x, bias, residual, gamma, beta, eps)
    subwords, width = x.shape
    out = torch.empty_like(x)
    if subwords:
        _residual_norm_kernel[(tiles(subwords, _ROWS),)](
            x,
            bias,
            residual,
            gamma,
            beta,
            out,
            subwords,
            width,
            eps,
            ROWS=_ROWS,
            WIDTH=next_power_of_2(width),
        )
    return out
