"""GELU of one half of each row, times the other."""

import pytest
import torch

from nerx.kernels.geglu import geglu, geglu_reference

from .truth import assert_no_worse, draw


@pytest.mark.parametrize(("subwords", "inner"), [(0, 64), (1, 1), (3, 255), (17, 256), (40, 1152)])
def test_error_is_no_worse_than_that_of_plain_torch(subwords, inner, dtype, device):
    x = 3 * draw(1, subwords, 2 * inner, dtype=dtype, device=device)
    assert_no_worse(geglu(x), geglu_reference, x)


def test_what_does_not_fit_is_refused(device):
    with pytest.raises(ValueError, match=r"shape \(4, 9\); expected \(subwords, 2 \* inner\)"):
        geglu(torch.zeros(4, 9, device=device))
    with pytest.raises(ValueError, match="expected contiguous rows"):
        geglu(torch.zeros(4, 8, device=device).T)
