"""Bias and GELU in one kernel."""

import pytest
import torch

from nerx.kernels.bias_gelu import bias_gelu, bias_gelu_reference

from .truth import assert_no_worse, draw


@pytest.mark.parametrize("tanh", [False, True], ids=["erf", "tanh"])
@pytest.mark.parametrize(("subwords", "width"), [(0, 64), (1, 1), (1, 256), (17, 33), (5, 600)])
def test_error_is_no_worse_than_that_of_plain_torch(subwords, width, tanh, dtype, device):
    x = 3 * draw(1, subwords, width, dtype=dtype, device=device)
    bias = draw(2, width, dtype=dtype, device=device)
    assert_no_worse(bias_gelu(x, bias, tanh=tanh), bias_gelu_reference, x, bias, tanh=tanh)


@pytest.mark.parametrize("tanh", [False, True], ids=["erf", "tanh"])
def test_the_ends_are_zero_and_the_number_itself(tanh, device):
    x = torch.tensor([[-60000.0, -30.0, 0.0, 30.0, 60000.0]], device=device)
    out = bias_gelu(x, torch.zeros(5, device=device), tanh=tanh)
    torch.testing.assert_close(out, x.clamp(min=0))


def test_what_does_not_fit_is_refused(device):
    x = torch.zeros(4, 8, device=device)
    with pytest.raises(ValueError, match=r"bias has the shape \(4,\); expected \(8,\)"):
        bias_gelu(x, x[:, 0].contiguous())
