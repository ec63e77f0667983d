"""Attention within each sequence of a packed batch: no padding, nothing across sequences.

    out[i] = sum over j in the sequence of i of softmax_j(q[i] . k[j] / sqrt(size)) v[j]

qkv: (subwords, 3, heads, size); begin: (sequences + 1,) int32, sequence s has the rows
begin[s]:begin[s + 1]; longest: subwords of the longest sequence; out: (subwords, heads * size)

In half precision on a GPU this is torch's variable-length FlashAttention. Everywhere else, runs of
equally long neighbours, of which a batch sorted by length is made, go to torch's attention at once.
Source: Dao, FlashAttention-2, arXiv 2307.08691.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attention_reference(qkv: Tensor, begin: Tensor) -> Tensor:
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
        mixed = scaled_dot_product_attention(*run)  # (count, heads, length, size)
        out[row:end] = mixed.transpose(1, 2).flatten(0, 1)
        row = end
    return out.flatten(1)


def has_flash_attention(device: torch.device, dtype: torch.dtype, size: int) -> bool:
    """Whether torch's variable-length FlashAttention takes heads of this size here."""
    return device.type == "cuda" and dtype != torch.float32 and size % 8 == 0


def attention(qkv: Tensor, begin: Tensor, longest: int) -> Tensor:
    """The formula above; rows past `begin[-1]` come out as anything.

    Raises:
        ValueError: a shape or type is not as above.
    """
    if qkv.dim() != 4 or qkv.shape[1] != 3:
        raise ValueError(
            f"qkv has the shape {tuple(qkv.shape)}; expected (subwords, 3, heads, size)"
        )
    if begin.dim() != 1 or begin.dtype != torch.int32 or begin.device != qkv.device:
        raise ValueError(
            f"begin has the shape {tuple(begin.shape)}, is {begin.dtype} on {begin.device}; "
            f"expected (sequences + 1,) int32 on {qkv.device}"
        )
    if not len(qkv):
        return qkv.new_empty(0, qkv.shape[2] * qkv.shape[3])
    if not has_flash_attention(qkv.device, qkv.dtype, qkv.shape[3]):
        return attention_reference(qkv, begin)
    from torch.nn.attention.varlen import varlen_attn  # since torch 2.10

    return varlen_attn(*qkv.unbind(1), begin, begin, longest, longest).flatten(1)
