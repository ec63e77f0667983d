"""Attention within each sequence of a packed batch: no padding, nothing across sequences.

    out[i] = sum over j in the sequence of i of softmax_j(q[i] . k[j] / sqrt(size)) v[j]

With a window, over those j alone with |i - j| <= window.

qkv: (subwords, 3, heads, size); begin: (sequences + 1,) int32, sequence s has the rows
begin[s]:begin[s + 1]; longest: subwords of the longest sequence; out: (subwords, heads * size)

Sentences have 25 to 45 subwords, of which torch's variable-length FlashAttention computes tiles of
128 x 128. So up to `_SHORT` subwords a Triton kernel runs here, in tiles of 32 or 64; beyond it, in
half precision, torch's. It also takes what torch's does not: float32, other sizes of heads, more
sequences than the grid of a launch.
Source: Dao, FlashAttention-2, arXiv 2307.08691; Milakov and Gimelshein, Online normalizer
calculation for softmax, arXiv 1805.02867.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .launch import jit, next_power_of_2, runs_kernels, tiles, tl

_SHORT = 128
_TILES = (32, 64)  # subwords of a sequence, by those of a batch's longest
_LEAST = 16  # of each side of a matrix product in Triton
_MOST_SEQUENCES = (
    65535  # of a launch of FlashAttention, which counts them in the grid's second axis
)


def attention_reference(qkv: Tensor, begin: Tensor, window: int | None = None) -> Tensor:
    """The formula by torch's attention on padded-free runs of equally long sequences."""
    out = torch.zeros_like(qkv[:, 0])
    lengths = begin.diff()
    values, repeats = torch.unique_consecutive(lengths, return_counts=True)
    row = 0
    for length, count in zip(values.tolist(), repeats.tolist(), strict=True):
        if length == 0:
            continue
        end = row + length * count
        run = qkv[row:end].unflatten(0, (count, length)).permute(2, 0, 3, 1, 4)
        near = None
        if window is not None:
            place = torch.arange(length, device=qkv.device)
            near = (place[:, None] - place).abs() <= window
        mixed = scaled_dot_product_attention(*run, near)  # (count, heads, length, size)
        out[row:end] = mixed.transpose(1, 2).flatten(0, 1)
        row = end
    return out.flatten(1)


@jit
def _attention_kernel(
    qkv,
    begin,
    out,
    heads,
    size,
    scale,  # of the products, as powers of two
    TILE: tl.constexpr,  # noqa: N803
    SIZE: tl.constexpr,  # noqa: N803
    WINDOW: tl.constexpr,  # noqa: N803
):
    sequence, head = tl.program_id(0), tl.program_id(1)
    first = tl.load(begin + sequence)
    length = tl.load(begin + sequence + 1) - first
    start = tl.program_id(2) * TILE
    if start >= length:
        return
    row = start + tl.arange(0, TILE)
    column = tl.arange(0, SIZE)
    inside = (column < size)[None, :]
    width = heads * size
    base = qkv + first.to(tl.int64) * 3 * width + head * size
    q = tl.load(
        base + row[:, None] * 3 * width + column[None, :],
        mask=(row < length)[:, None] & inside,
        other=0,
    )
    top = tl.full((TILE,), -1e30, tl.float32)  # a number: the first tile may hold none of a window
    total = tl.zeros((TILE,), tl.float32)
    mixed = tl.zeros((TILE, SIZE), tl.float32)
    lowest, end = 0, length
    if WINDOW >= 0:  # -1 for none
        lowest = tl.maximum(start - WINDOW, 0) // TILE * TILE
        end = tl.minimum(start + TILE + WINDOW, length)
    for other in range(lowest, end, TILE):
        key = other + tl.arange(0, TILE)
        there = key < length
        k = tl.load(
            base + width + key[None, :] * 3 * width + column[:, None],
            mask=there[None, :] & (column < size)[:, None],
            other=0,
        )
        v = tl.load(
            base + 2 * width + key[:, None] * 3 * width + column[None, :],
            mask=there[:, None] & inside,
            other=0,
        )
        product = tl.dot(q, k, input_precision="ieee") * scale
        seen = there[None, :]
        if WINDOW >= 0:
            seen = seen & (tl.abs(row[:, None] - key[None, :]) <= WINDOW)
        product = tl.where(seen, product, float("-inf"))
        higher = tl.maximum(top, tl.max(product, axis=1))
        powers = tl.exp2(product - higher[:, None])
        fade = tl.exp2(top - higher)
        total = total * fade + tl.sum(powers, axis=1)
        mixed = tl.dot(powers.to(v.dtype), v, mixed * fade[:, None], input_precision="ieee")
        top = higher
    target = out + (first + row).to(tl.int64)[:, None] * width + head * size + column[None, :]
    y = mixed / total[:, None]
    tl.store(target, y.to(out.dtype.element_ty), mask=(row < length)[:, None] & inside)


def attention(
    qkv: Tensor, begin: Tensor, longest: int, *, window: int | None = None, check: bool = True
) -> Tensor:
    """The formula above; rows past `begin[-1]` come out as anything.

    window: how far from a row the ones that it attends to may be; None for any distance
    check: False where such tensors were checked before, so that launching costs less

    Raises:
        ValueError: a shape or type is not as above.
    """
    if check:
        _check(qkv, begin)
    subwords, _, heads, size = qkv.shape
    if not subwords:
        return qkv.new_empty(0, heads * size)
    if not runs_kernels(qkv):
        return attention_reference(qkv, begin, window)
    if window is not None and window >= longest - 1:
        window = None  # no sequence is longer than it
    sequences = len(begin) - 1
    if longest > _SHORT and sequences <= _MOST_SEQUENCES and _has_flash_attention(qkv):
        from torch.nn.attention.varlen import varlen_attn  # with windows since torch 2.11

        sides = {} if window is None else {"window_size": (window, window)}
        return varlen_attn(*qkv.unbind(1), begin, begin, longest, longest, **sides).flatten(1)
    tile = next((tile for tile in _TILES if longest <= tile), _TILES[-1])
    out = qkv.new_empty(subwords, heads * size)
    _attention_kernel[(sequences, heads, tiles(max(longest, 1), tile))](
        qkv,
        begin,
        out,
        heads,
        size,
        1.4426950408889634 / size**0.5,  # e^x = 2^(x log2(e))
        TILE=tile,
        SIZE=max(_LEAST, next_power_of_2(size)),
        WINDOW=-1 if window is None else window,
    )
    return out


def _has_flash_attention(qkv: Tensor) -> bool:
    return qkv.is_cuda and qkv.dtype != torch.float32 and qkv.shape[3] % 8 == 0


def _check(qkv: Tensor, begin: Tensor) -> None:
    if qkv.dim() != 4 or qkv.shape[1] != 3 or not qkv.is_contiguous():
        raise ValueError(
            f"qkv has the shape {tuple(qkv.shape)} and the strides {qkv.stride()}; "
            "expected (subwords, 3, heads, size), contiguous"
        )
    if begin.dim() != 1 or begin.dtype != torch.int32 or begin.device != qkv.device:
        raise ValueError(
            f"begin has the shape {tuple(begin.shape)}, is {begin.dtype} on {begin.device}; "
            f"expected (sequences + 1,) int32 on {qkv.device}"
        )
