"""Embeddings looked up, added and normalised in one kernel."""

import pytest
import torch

from nerx.kernels.embedding_norm import embedding_norm, embedding_norm_reference

from .truth import assert_no_worse, draw

EPS = 1e-12


@pytest.mark.parametrize(("subwords", "width"), [(0, 64), (1, 1), (1, 128), (7, 33), (9, 768)])
def test_error_is_no_worse_than_that_of_plain_torch(subwords, width, dtype, device):
    place = {"dtype": dtype, "device": device}
    words, places = draw(1, 50, width, **place), draw(2, 12, width, **place)
    gamma, beta = draw(3, width, **place), draw(4, width, **place)
    ids = torch.arange(subwords, device=device, dtype=torch.int32) * 7 % 50
    positions = (torch.arange(subwords, device=device, dtype=torch.int32) * 5 + 3) % 12
    out = embedding_norm(ids, positions, words, places, gamma, beta, EPS)
    assert_no_worse(out, lambda *t, upcast: embedding_norm_reference(*t, EPS, upcast=upcast),
                    ids, positions, words, places, gamma, beta)  # fmt: skip


def test_what_does_not_fit_is_refused(device):
    table, row = torch.zeros(9, 8, device=device), torch.zeros(8, device=device)
    ids = torch.zeros(3, dtype=torch.int32, device=device)
    with pytest.raises(ValueError, match=r"positions has the shape \(2,\)"):
        embedding_norm(ids, ids[:2], table, table, row, row, EPS)
    with pytest.raises(ValueError, match=r"ids .* is torch.int64; expected \(3,\) int32"):
        embedding_norm(ids.long(), ids, table, table, row, row, EPS)
    with pytest.raises(ValueError, match=r"places has the shape \(9, 4\)"):
        embedding_norm(ids, ids, table, table[:, :4], row, row, EPS)
