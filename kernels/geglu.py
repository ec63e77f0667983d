"""GELU of the first half of each row, times the second: what a gated feed-forward layer does.

    out = a (1 + erf(a / sqrt(2))) / 2 * b          (a, b) = (x[:, :inner], x[:, inner:])

x: (subwords, 2 * inner); out: (subwords, inner); computed in float32.
Source: Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202.
"""

import torch
from torch import Tensor

from .launch import check_rows, jit, runs_kernels, tiles, tl

_ROWS, _COLUMNS = 8, 256  # a program: 16 numbers of either half a thread


def geglu_reference(x: Tensor, *, upcast: bool = True) -> Tensor:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensor."""
    a, b = x.to(torch.float32 if upcast else x.dtype).chunk(2, dim=1)
    return (torch.nn.functional.gelu(a) * b).to(x.dtype)


@jit
def _geglu_kernel(
    x,
    out,
    subwords,
    inner,
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    cell = (row < subwords)[:, None] & (column < inner)[None, :]
    at = row.to(tl.int64)[:, None] * inner
    a = tl.load(x + 2 * at + column[None, :], mask=cell, other=0).to(tl.float32)
    b = tl.load(x + 2 * at + inner + column[None, :], mask=cell, other=0).to(tl.float32)
    y = 0.5 * a * (1.0 + tl.erf(a * 0.7071067811865476)) * b
    tl.store(out + at + column[None, :], y.to(out.dtype.element_ty), mask=cell)


def geglu(x: Tensor, *, check: bool = True) -> Tensor:
    """The formula above.

    check: False where such a tensor was checked before, so that launching costs less

    Raises:
        ValueError: the shape or type is not as above.
    """
    if check:
        check_rows("x", x)
        if x.shape[1] % 2:
            raise ValueError(f"x has the shape {tuple(x.shape)}; expected (subwords, 2 * inner)")
    if not runs_kernels(x):
        return geglu_reference(x)
    subwords, inner = len(x), x.shape[1] // 2
    out = x.new_empty(subwords, inner)
    if subwords:
        _geglu_kernel[(tiles(subwords, _ROWS), tiles(inner, _COLUMNS))](
            x,
            out,
            subwords,
            inner,
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
        )
    return out
