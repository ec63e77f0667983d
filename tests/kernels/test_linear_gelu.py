"""A product with GELU at its end."""

import pytest
import torch

from nerx.kernels import linear_gelu as module
from nerx.kernels.linear_gelu import linear_gelu, linear_gelu_reference

from .truth import assert_no_worse, draw

SIZES = [(0, 64, 128), (1, 16, 8), (130, 70, 140), (257, 128, 128)]


@pytest.mark.parametrize("tanh", [False, True], ids=["erf", "tanh"])
@pytest.mark.parametrize(("subwords", "width", "inner"), SIZES)
def test_error_is_no_worse_than_that_of_plain_torch(subwords, width, inner, tanh, dtype, device):
    x = draw(1, subwords, width, dtype=dtype, device=device)
    weight = draw(2, inner, width, dtype=dtype, device=device) / width**0.5
    bias = draw(3, inner, dtype=dtype, device=device)
    out = linear_gelu(x, weight, bias, tanh=tanh)
    assert_no_worse(out, linear_gelu_reference, x, weight, bias, tanh=tanh)


@pytest.mark.parametrize(("kind", "launches"), [(torch.float16, 1), (torch.float32, 0)])
def test_only_half_precision_is_multiplied_by_the_kernel(kind, launches, device, monkeypatch):
    grids = []

    class Kernel:
        def __getitem__(self, grid):
            grids.append(grid)
            return lambda *_, **__: None

    monkeypatch.setattr(module, "_linear_gelu_kernel", Kernel())
    x = torch.zeros(300, 64, dtype=kind, device=device)
    linear_gelu(x, x[:200], x[0, :1].expand(200).contiguous())
    assert grids == [(3 * 2,)] * launches


def test_what_does_not_fit_is_refused(device):
    x = torch.zeros(4, 8, device=device)
    with pytest.raises(ValueError, match=r"bias has the shape \(8,\); expected \(4,\)"):
        linear_gelu(x, x, x[0])
