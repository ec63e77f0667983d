"""Embeddings of a packed batch, normalised.

    out[i] = norm(vocabulary[ids[i]] + places[positions[i]]) * gamma + beta
    norm(x) = (x - mean(x)) / sqrt(var(x) + eps)

vocabulary: (size, width); places: (longest, width), position embeddings with the one of
token type 0 already added; gamma, beta: (width,); ids, positions: (subwords,) int32
out: (subwords, width); sums are float32.
"""

import torch
from torch import Tensor

from .launch import (
    check_index,
    check_like,
    check_rows,
    jit,
    next_power_of_2,
    runs_kernels,
    tl,
)


def embedding_norm_reference(
    ids: Tensor,
    positions: Tensor,
    vocabulary: Tensor,
    places: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    *,
    upcast: bool = True,
) -> Tensor:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensors."""
    kind = torch.float32 if upcast else vocabulary.dtype
    summed = vocabulary[ids].to(kind) + places[positions].to(kind)
    normed = torch.nn.functional.layer_norm(
        summed, summed.shape[-1:], gamma.to(kind), beta.to(kind), eps
    )
    return normed.to(vocabulary.dtype)


@jit
def _embedding_norm_kernel(
    ids,
    positions,
    vocabulary,
    places,
    gamma,
    beta,
    out,
    width,
    eps,
    WIDTH: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0)
    column = tl.arange(0, WIDTH)
    inside = column < width
    word, place = tl.load(ids + row).to(tl.int64), tl.load(positions + row).to(tl.int64)
    x = tl.load(vocabulary + word * width + column, mask=inside, other=0).to(tl.float32)
    x += tl.load(places + place * width + column, mask=inside, other=0).to(tl.float32)
    x -= tl.sum(x, axis=0) / width
    x = tl.where(inside, x, 0.0)
    x *= 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / width + eps)
    scale = tl.load(gamma + column, mask=inside, other=0).to(tl.float32)
    shift = tl.load(beta + column, mask=inside, other=0).to(tl.float32)
    y = x * scale + shift
    target = out + row.to(tl.int64) * width + column
    tl.store(target, y.to(out.dtype.element_ty), mask=inside)


def embedding_norm(
    ids: Tensor,
    positions: Tensor,
    vocabulary: Tensor,
    places: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
) -> Tensor:
    """The formula above; the caller sees to it that ids and positions lie inside their tables.

    Raises:
        ValueError: a shape, type or device is not as above.
    """
    check_rows("vocabulary", vocabulary)
    check_like(vocabulary, (places.shape[0], vocabulary.shape[1]), places=places)
    check_like(vocabulary, (vocabulary.shape[1],), gamma=gamma, beta=beta)
    check_index(vocabulary.device, ids.numel(), ids=ids, positions=positions)
    if not runs_kernels(vocabulary):
        return embedding_norm_reference(ids, positions, vocabulary, places, gamma, beta, eps)
    subwords, width = len(ids), vocabulary.shape[1]
    out = vocabulary.new_empty(subwords, width)
    if subwords:
        _embedding_norm_kernel[(subwords,)](
            ids,
            positions,
            vocabulary,
            places,
            gamma,
            beta,
            out,
            width,
            eps,
            WIDTH=next_power_of_2(width),
            num_warps=1,  # a row: its sums need no shared memory, no barrier
        )
    return out
