"""The first half of a feed-forward layer: a product with GELU at its end, one memory pass less.

    out = gelu(x @ weight^T + bias)        gelu as in `bias_gelu`; sums are float32

x: (subwords, width); weight: (inner, width); bias: (inner,); out: (subwords, inner)

A program makes one tile. Two fit on a multiprocessor, so that one multiplies while the other is at
its GELU; programs with the same rows come one after the other, and the weights stay in the L2
cache. cuBLAS' own product with GELU knows the one by tanh alone, and is taken for that.
Source: the tiles are those of Triton's tutorial on matrix products.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from .bias_gelu import bias_gelu, bias_gelu_reference
from .launch import check_like, check_rows, jit, runs_kernels, tiles, tl

_ROWS, _COLUMNS, _DEPTH = 128, 128, 64  # in three stages 96 KiB of shared memory


def linear_gelu_reference(
    x: Tensor, weight: Tensor, bias: Tensor, *, tanh: bool = False, upcast: bool = True
) -> Tensor:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensors."""
    kind = torch.float32 if upcast else x.dtype
    product = linear(x.to(kind), weight.to(kind))
    return bias_gelu_reference(product, bias.to(kind), tanh=tanh).to(x.dtype)


@jit
def _linear_gelu_kernel(
    x,
    weight,
    bias,
    out,
    subwords,
    inner,
    width,
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
):
    across = tl.cdiv(inner, COLUMNS)
    row = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    there, inside = (row < subwords)[:, None], column < inner
    at = row.to(tl.int64)[:, None]
    product = tl.zeros((ROWS, COLUMNS), tl.float32)
    for begin in range(0, width, DEPTH):
        deep = begin + depth
        a = tl.load(x + at * width + deep[None, :], mask=there & (deep < width)[None, :], other=0)
        b = tl.load(
            weight + column[None, :] * width + deep[:, None],
            mask=inside[None, :] & (deep < width)[:, None],
            other=0,
        )
        product = tl.dot(a, b, product)
    u = product + tl.load(bias + column, mask=inside, other=0).to(tl.float32)[None, :]
    y = 0.5 * u * (1.0 + tl.erf(u * 0.7071067811865476))
    tl.store(
        out + at * inner + column[None, :], y.to(out.dtype.element_ty), mask=there & inside[None, :]
    )


def linear_gelu(
    x: Tensor, weight: Tensor, bias: Tensor, *, tanh: bool = False, check: bool = True
) -> Tensor:
    """The formula above; in float32 a product and `bias_gelu`.

    check: False where such tensors were checked before, so that launching costs less

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    if check:
        check_rows("x", x)
        check_like(x, (len(weight), x.shape[1]), weight=weight)
        check_like(x, (len(weight),), bias=bias)
    if tanh and x.is_cuda:
        joined: Tensor = torch._addmm_activation(bias, x, weight.T, use_gelu=True)
        return joined
    if tanh or not runs_kernels(x) or x.dtype == torch.float32:
        return bias_gelu(linear(x, weight), bias, tanh=tanh, check=check)
    (subwords, width), inner = x.shape, len(weight)
    out = x.new_empty(subwords, inner)
    if subwords:
        _linear_gelu_kernel[(tiles(subwords, _ROWS) * tiles(inner, _COLUMNS),)](
            x,
            weight,
            bias,
            out,
            subwords,
            inner,
            width,
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
            DEPTH=_DEPTH,
            num_warps=8,
        )
    return out
