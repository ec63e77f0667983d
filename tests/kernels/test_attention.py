"""Attention within the sequences of a packed batch."""

import inspect

import pytest
import torch

from nerx.kernels import attention as module
from nerx.kernels.attention import attention

from .truth import ROUNDING, draw


def formula(qkv, begin, window):
    """One sequence and one head at a time, in float64."""
    q, k, v = qkv.double().unbind(1)
    out = torch.zeros_like(q)
    for first, end in zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True):
        for head in range(qkv.shape[2]):
            rows = (slice(first, end), head)
            scores = q[rows] @ k[rows].T / qkv.shape[3] ** 0.5
            if window is not None:
                place = torch.arange(end - first, device=qkv.device)
                scores[(place[:, None] - place).abs() > window] = -torch.inf
            out[rows] = scores.softmax(-1) @ v[rows]
    return out.flatten(1)


LENGTHS = [[], [1], [3, 3, 3], [9, 9, 4, 4, 4, 1, 0], [0, 2, 0, 2, 5], [33, 32], [130, 64, 65, 1]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("heads", "size"), [(1, 8), (3, 32), (2, 5)])
@pytest.mark.parametrize("window", [None, 3])
def test_equals_the_formula(lengths, heads, size, window, dtype, device):
    begin = torch.tensor([0, *lengths], device=device).cumsum(0).int()
    qkv = draw(1, sum(lengths), 3, heads, size, dtype=dtype, device=device)
    out = attention(qkv, begin, max(lengths, default=0), window=window)
    assert out.dtype == dtype
    allowed = {"atol": 2 * ROUNDING[dtype], "rtol": ROUNDING[dtype]}
    torch.testing.assert_close(out.double(), formula(qkv, begin, window), **allowed)


@pytest.mark.parametrize("window", [0, 40, 64, 129, 130])
def test_a_window_may_have_any_width(window, device):
    begin = torch.tensor([0, 130, 150], dtype=torch.int32, device=device)
    qkv = draw(1, 150, 3, 1, 16, dtype=torch.float32, device=device)
    truth = formula(qkv, begin, window)
    for rows in (
        attention(qkv, begin, 130, window=window),
        module.attention_reference(qkv, begin, window),
    ):
        torch.testing.assert_close(rows.double(), truth, atol=4e-6, rtol=2e-6)


def test_long_sequences_in_half_precision_are_torch_s(device, monkeypatch):
    """What is asked of torch's FlashAttention, which a CPU does not have."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    asked = []

    def varlen_attn(q, *others, **options):
        asked.append(inspect.signature(real).bind(q, *others, **options).arguments)
        return q

    real = varlen.varlen_attn
    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
    monkeypatch.setattr(module, "_has_flash_attention", lambda qkv: True)
    begin = torch.tensor([0, 130, 150], dtype=torch.int32, device=device)
    qkv = draw(1, 150, 3, 2, 16, dtype=torch.float16, device=device)
    for window in (None, 64, 129):
        assert attention(qkv, begin, 130, window=window).shape == (150, 32)
    assert [call.get("window_size") for call in asked] == [None, (64, 64), None]


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
