"""Bias, residual and layer norm in one kernel."""

import pytest
import torch

from nerx.kernels.residual_norm import residual_norm, residual_norm_reference

from .truth import assert_no_worse, draw

EPS = 1e-12


@pytest.mark.parametrize(("subwords", "width"), [(0, 64), (1, 1), (1, 384), (7, 33), (9, 768)])
def test_error_is_no_worse_than_that_of_plain_torch(subwords, width, dtype, device):
    place = {"dtype": dtype, "device": device}
    x, residual = draw(1, subwords, width, **place), draw(2, subwords, width, **place)
    bias, gamma, beta = (draw(seed, width, **place) for seed in (3, 4, 5))
    out = residual_norm(x, bias, residual, gamma, beta, EPS)
    assert_no_worse(out, lambda *t, upcast: residual_norm_reference(*t, EPS, upcast=upcast),
                    x, bias, residual, gamma, beta)  # fmt: skip


def test_a_mean_far_from_zero_costs_no_precision(device):
    x = draw(1, 5, 100, dtype=torch.float32, device=device)
    zero, one = torch.zeros(100, device=device), torch.ones(100, device=device)
    far = residual_norm(x + 1000, zero, torch.zeros_like(x), one, zero, EPS)
    torch.testing.assert_close(far, residual_norm(x, zero, torch.zeros_like(x), one, zero, EPS),
                               atol=1e-3, rtol=0)  # fmt: skip


def test_equal_numbers_become_the_shift(device):
    x = torch.full((2, 48), 3.0, device=device)
    zero, beta = torch.zeros(48, device=device), draw(1, 48, dtype=x.dtype, device=device)
    out = residual_norm(x, zero, torch.zeros_like(x), beta + 2, beta, EPS)
    torch.testing.assert_close(out, beta.expand(2, 48))


def test_what_does_not_fit_is_refused(device):
    x, row = torch.zeros(4, 8, device=device), torch.zeros(8, device=device)
    with pytest.raises(ValueError, match=r"residual has the shape \(3, 8\); expected \(4, 8\)"):
        residual_norm(x, row, x[:3], row, row, EPS)
    with pytest.raises(ValueError, match=r"bias has the shape \(1,\); expected \(8,\)"):
        residual_norm(x, row[:1], x, row, row, EPS)
    with pytest.raises(ValueError, match=r"gamma is torch.float16"):
        residual_norm(x, row, x, row.half(), row, EPS)
    with pytest.raises(ValueError, match=r"x is torch.int32; expected float16"):
        residual_norm(x.int(), row, x, row, row, EPS)
    with pytest.raises(ValueError, match="expected contiguous rows"):
        residual_norm(x.T, row, x, row, row, EPS)
    with pytest.raises(ValueError, match=r"expected \(rows, width\)"):
        residual_norm(row, row, x, row, row, EPS)
