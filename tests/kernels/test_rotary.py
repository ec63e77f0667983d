"""Queries and keys turned by their places."""

import pytest
import torch

from nerx.kernels.rotary import rotary, rotary_reference, rotary_table

from .truth import assert_no_worse, draw

LONGEST = 50


@pytest.mark.parametrize(
    ("subwords", "heads", "size"), [(0, 1, 8), (1, 1, 2), (7, 3, 10), (9, 12, 64)]
)
def test_error_is_no_worse_than_that_of_plain_torch(subwords, heads, size, dtype, device):
    qkv = draw(1, subwords, 3, heads, size, dtype=dtype, device=device)
    positions = (torch.arange(subwords, device=device, dtype=torch.int32) * 5 + 3) % LONGEST
    table = rotary_table(LONGEST, size, 1e4).to(device)
    turned = qkv.clone()
    rotary(turned, positions, table)
    assert_no_worse(turned, rotary_reference, qkv, positions, table)


def test_a_product_depends_on_the_distance_alone(device):
    one = draw(1, 1, 3, 1, 16, dtype=torch.float32, device=device)
    qkv = one.expand(LONGEST, 3, 1, 16).contiguous()
    places = torch.arange(LONGEST, dtype=torch.int32, device=device)
    rotary(qkv, places, rotary_table(LONGEST, 16, 100.0).to(device))
    q, k, v = qkv[:, :, 0].unbind(1)
    products = q @ k.T
    torch.testing.assert_close(products[1:, 1:], products[:-1, :-1], atol=1e-4, rtol=1e-4)
    assert (products[0] - products[0, 0]).abs()[1:].min() > 1e-3
    assert (v == one[0, 2]).all()


def test_what_does_not_fit_is_refused(device):
    qkv = torch.zeros(4, 3, 2, 8, device=device)
    places, table = torch.zeros(4, dtype=torch.int32, device=device), rotary_table(9, 8, 1e4)
    table = table.to(device)
    with pytest.raises(ValueError, match=r"positions has the shape \(3,\)"):
        rotary(qkv, places[:3], table)
    with pytest.raises(ValueError, match=r"table has the shape .* expected \(9, 2, 4\) float32"):
        rotary(qkv, places, table[..., :3])
    for wrong in (qkv[..., :7].contiguous(), qkv.transpose(2, 3)):
        with pytest.raises(ValueError, match="contiguous, of an even size"):
            rotary(wrong, places, table)
