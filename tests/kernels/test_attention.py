"""Attention within the sequences of a packed batch."""

import pytest
import torch

from nerx.kernels.attention import attention

from .truth import ROUNDING, draw


def formula(qkv, begin):
    """One sequence and one head at a time, in float64."""
    q, k, v = qkv.double().unbind(1)
    out = torch.zeros_like(q)
    for first, end in zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True):
        for head in range(qkv.shape[2]):
            rows = (slice(first, end), head)
            mix = (q[rows] @ k[rows].T / qkv.shape[3] ** 0.5).softmax(-1)
            out[rows] = mix @ v[rows]
    return out.flatten(1)


LENGTHS = [[], [1], [3, 3, 3], [9, 9, 4, 4, 4, 1, 0], [0, 2, 0, 2, 5], [33, 32], [130, 64, 65, 1]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("heads", "size"), [(1, 8), (3, 32), (2, 5)])
def test_equals_the_formula(lengths, heads, size, dtype, device):
    begin = torch.tensor([0, *lengths], device=device).cumsum(0).int()
    qkv = draw(1, sum(lengths), 3, heads, size, dtype=dtype, device=device)
    out = attention(qkv, begin, max(lengths, default=0))
    assert out.dtype == dtype
    allowed = {"atol": 2 * ROUNDING[dtype], "rtol": ROUNDING[dtype]}
    torch.testing.assert_close(out.double(), formula(qkv, begin), **allowed)


def test_sequences_do_not_see_each_other(device):
    begin = torch.tensor([0, 4, 8], dtype=torch.int32, device=device)
    qkv = draw(1, 8, 3, 2, 16, dtype=torch.float32, device=device)
    before = attention(qkv, begin, 4)
    qkv[4:] = 1e3
    torch.testing.assert_close(attention(qkv, begin, 4)[:4], before[:4])


def test_what_does_not_fit_is_refused(device):
    qkv = torch.zeros(4, 3, 2, 8, device=device)
    begin = torch.tensor([0, 4], device=device)
    with pytest.raises(ValueError, match=r"begin .* is torch.int64"):
        attention(qkv, begin, 4)
    for wrong in (qkv[:, 0], qkv.transpose(2, 3)):
        with pytest.raises(ValueError, match=r"expected \(subwords, 3, heads, size\)"):
            attention(wrong, begin.int(), 4)
