"""Rotary positions: pairs of numbers of queries and keys turn by angles that grow with the place.

    (a, b) -> (a cos - b sin, b cos + a sin)        angle = place * theta^(-2 n / size)

for the pair n of a head, (a, b) = (x[n], x[n + size / 2]), so that q[i] . k[j] depends on i - j.

qkv: (subwords, 3, heads, size), whose queries and keys are turned where they stand
positions: (subwords,) int32, places in their sequences, inside the table
table: (longest, 2, size / 2) float32, cosines and sines by place; products and sums are float32
Source: Su et al., RoFormer, arXiv 2104.09864; the pairs are those of GPT-NeoX.
"""

import torch
from torch import Tensor

from .launch import check_index, jit, next_power_of_2, runs_kernels, tl


def rotary_table(longest: int, size: int, theta: float) -> Tensor:
    """Cosines and sines of all places: (longest, 2, size / 2) float32, rounded as transformers'."""
    frequencies = 1.0 / theta ** (torch.arange(0, size, 2).float() / size)
    angles = torch.arange(longest).float()[:, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def rotary_reference(
    qkv: Tensor, positions: Tensor, table: Tensor, *, upcast: bool = True
) -> Tensor:
    """The formula in plain torch, as a copy; `upcast` computes in float32 whatever the types."""
    kind = torch.float32 if upcast else qkv.dtype
    cosine, sine = table.to(kind)[positions, :, None, None].unbind(1)  # (subwords, 1, 1, size / 2)
    a, b = qkv[:, :2].to(kind).chunk(2, dim=-1)
    turned = torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1)
    return torch.cat([turned.to(qkv.dtype), qkv[:, 2:]], dim=1)


@jit
def _rotary_kernel(
    qkv,
    positions,
    table,
    heads,
    half,
    HEADS: tl.constexpr,  # noqa: N803
    HALF: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0)
    head, pair = tl.arange(0, HEADS)[:, None], tl.arange(0, HALF)[None, :]
    inside = pair < half
    there = (head < 2 * heads) & inside  # the queries' heads, then the keys'
    angle = table + tl.load(positions + row).to(tl.int64) * 2 * half + pair
    cosine = tl.load(angle, mask=inside, other=0)
    sine = tl.load(angle + half, mask=inside, other=0)
    at = qkv + row.to(tl.int64) * 6 * heads * half + head * 2 * half + pair
    a = tl.load(at, mask=there, other=0).to(tl.float32)
    b = tl.load(at + half, mask=there, other=0).to(tl.float32)
    tl.store(at, (a * cosine - b * sine).to(qkv.dtype.element_ty), mask=there)
    tl.store(at + half, (b * cosine + a * sine).to(qkv.dtype.element_ty), mask=there)


def rotary(qkv: Tensor, positions: Tensor, table: Tensor, *, check: bool = True) -> None:
    """The formula above, in place; the caller sees to it that positions lie inside the table.

    check: False where such tensors were checked before, so that launching costs less

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    if check:
        _check(qkv, positions, table)
    if not runs_kernels(qkv):
        qkv.copy_(rotary_reference(qkv, positions, table))
        return
    subwords, _, heads, size = qkv.shape
    if subwords:
        _rotary_kernel[(subwords,)](
            qkv,
            positions,
            table,
            heads,
            size // 2,
            HEADS=next_power_of_2(2 * heads),
            HALF=next_power_of_2(size // 2),
            num_warps=1,  # a row: all is read before any of it is written
        )


def _check(qkv: Tensor, positions: Tensor, table: Tensor) -> None:
    if qkv.dim() != 4 or qkv.shape[1] != 3 or qkv.shape[3] % 2 or not qkv.is_contiguous():
        raise ValueError(
            f"qkv has the shape {tuple(qkv.shape)} and the strides {qkv.stride()}; "
            "expected (subwords, 3, heads, size), contiguous, of an even size"
        )
    check_index(qkv.device, len(qkv), positions=positions)
    wanted = (len(table), 2, qkv.shape[3] // 2)
    if tuple(table.shape) != wanted or table.dtype != torch.float32 or table.device != qkv.device:
        raise ValueError(
            f"table has the shape {tuple(table.shape)}, is {table.dtype} on {table.device}; "
            f"expected {wanted} float32 on {qkv.device}"
        )
    if not table.is_contiguous():
        raise ValueError("table is not contiguous")
