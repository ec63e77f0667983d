"""Bias and GELU, after the first matrix product of a feed-forward layer.

    erf:   out = u * (1 + erf(u / sqrt(2))) / 2                      u = x + bias
    tanh:  out = u * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 u^3))) / 2

x, out: (subwords, width); bias: (width,); computed in float32.
Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv 1606.08415.
"""

import torch
from torch import Tensor

from .launch import check_like, check_rows, jit, runs_kernels, tiles, tl

_ROWS, _COLUMNS = 16, 256  # a program: 32 numbers a thread, each bias loaded once for all rows


def bias_gelu_reference(
    x: Tensor, bias: Tensor, *, tanh: bool = False, upcast: bool = True
) -> Tensor:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensors."""
    kind = torch.float32 if upcast else x.dtype
    shifted = x.to(kind) + bias.to(kind)
    how = "tanh" if tanh else "none"
    return torch.nn.functional.gelu(shifted, approximate=how).to(x.dtype)


@jit
def _bias_gelu_kernel(
    x,
    bias,
    out,
    subwords,
    width,
    TANH: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < width
    cell = (row < subwords)[:, None] & inside[None, :]
    at = row.to(tl.int64)[:, None] * width + column[None, :]
    u = tl.load(x + at, mask=cell, other=0).to(tl.float32)
    u += tl.load(bias + column, mask=inside, other=0).to(tl.float32)[None, :]
    if TANH:
        # (1 + tanh(v)) / 2 = sigmoid(2 v), with 2 sqrt(2 / pi) = 1.5957691216057308
        y = u * tl.sigmoid(1.5957691216057308 * (u + 0.044715 * u * u * u))
    else:
        y = 0.5 * u * (1.0 + tl.erf(u * 0.7071067811865476))
    tl.store(out + at, y.to(out.dtype.element_ty), mask=cell)


def bias_gelu(x: Tensor, bias: Tensor, *, tanh: bool = False, check: bool = True) -> Tensor:
    """The formula above.

    check: False where such tensors were checked before, so that launching costs less

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    if check:
        check_rows("x", x)
        check_like(x, (x.shape[1],), bias=bias)
    if not runs_kernels(x):
        return bias_gelu_reference(x, bias, tanh=tanh)
    subwords, width = x.shape
    out = torch.empty_like(x)
    if subwords:
        _bias_gelu_kernel[(tiles(subwords, _ROWS), tiles(width, _COLUMNS))](
            x,
            bias,
            out,
            subwords,
            width,
            TANH=tanh,
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
        )
    return out
