"""From hidden states to word labels in one kernel."""

import pytest
import torch

from nerx.engine.labels.decoding import pool, softmax
from nerx.kernels.word_labels import MAX_LABELS, POOLINGS, word_labels, word_labels_reference

from .truth import assert_no_worse, draw


def model(labels, width, dtype, device):
    place = {"dtype": dtype, "device": device}
    return draw(1, labels, width, **place), draw(2, labels, **place)


def ints(values, device):
    return torch.tensor(values, dtype=torch.int32, device=device)


def every_word(words, device):
    """Words of 1, 2, 3, 4, 1, ... subwords with one row between each two."""
    pieces = [1 + word % 4 for word in range(words)]
    first = [word + sum(pieces[:word]) for word in range(words)]
    return ints(first, device), ints(pieces, device)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    ("words", "width", "labels"), [(0, 64, 3), (1, 1, 1), (3, 33, 2), (70, 384, 9), (130, 96, 64)]
)
def test_scores_and_logits_are_no_worse_than_those_of_plain_torch(
    words, width, labels, pooling, dtype, device
):
    hidden = draw(3, 4 * words + 1, width, dtype=dtype, device=device)
    first, pieces = every_word(words, device)
    inputs = (hidden, *model(labels, width, dtype, device), first)
    if pooling != "first":
        inputs = (*inputs, pieces)
    ids, scores, logits = word_labels(*inputs, pooling=pooling)
    for place, found in ((1, scores), (2, logits)):
        assert_no_worse(
            found, lambda *t, k=place, **o: word_labels_reference(*t, **o)[k], *inputs,
            pooling=pooling,
        )  # fmt: skip
    assert ids.dtype == torch.uint8
    torch.testing.assert_close(ids.long(), logits.argmax(1) if words else ids.long())


def test_labels_equal_those_of_float32(device):
    hidden = draw(3, 200, 128, dtype=torch.float16, device=device)
    weight, bias = model(9, 128, torch.float16, device)
    first = ints(range(199, -1, -1), device)
    truth = hidden.float() @ weight.float().T + bias.float()
    ids, scores, _ = word_labels(hidden, weight, bias, first)
    assert (ids == truth.argmax(1).flip(0)).all()
    torch.testing.assert_close(scores, truth.softmax(1).amax(1).flip(0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooling_is_that_of_the_engine(how, device):
    hidden = draw(3, 60, 40, dtype=torch.float32, device=device)
    weight, bias = model(5, 40, torch.float32, device)
    lengths = ints([1, 5, 2, 7, 1, 4], device)
    first = torch.cumsum(lengths, 0).int() - lengths
    _, scores, logits = word_labels(hidden, weight, bias, first, lengths, pooling=how)
    every = softmax((hidden[:20] @ weight.T + bias).cpu().numpy())
    wanted = torch.from_numpy(pool(every, lengths.cpu().numpy(), how))
    torch.testing.assert_close(logits.exp().cpu(), wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(scores.cpu(), wanted.amax(1), atol=1e-5, rtol=1e-4)


def test_a_label_that_is_sure_has_the_score_one(device):
    hidden = torch.eye(3, device=device) * 1e4
    ids, scores, logits = word_labels(
        hidden, torch.eye(3, device=device), torch.zeros(3, device=device), ints([2, 0], device),
        ints([1, 2], device), pooling="mean",
    )  # fmt: skip
    assert ids.tolist() == [2, 0]
    torch.testing.assert_close(scores.cpu(), torch.tensor([1.0, 0.5]))
    assert logits.isfinite().all()


@pytest.mark.filterwarnings("ignore:All-NaN slice")  # of the interpreter
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")], ids=str)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_is_no_number_shows_in_the_score(pooling, bad, device):
    hidden = draw(3, 6, 40, dtype=torch.float32, device=device)
    hidden[3, 7] = bad
    pieces = () if pooling == "first" else (ints([1, 2, 1], device),)
    first = ints([0, 3 if pooling == "first" else 2, 5], device)
    inputs = hidden, *model(5, 40, torch.float32, device), first, *pieces
    scores = word_labels(*inputs, pooling=pooling)[1]
    assert scores.isnan().tolist() == [False, True, False]


def test_logits_are_left_out_on_request(device):
    hidden = draw(3, 5, 8, dtype=torch.float32, device=device)
    inputs = (hidden, *model(4, 8, torch.float32, device), ints([0, 4], device))
    ids, scores, logits = word_labels(*inputs, with_logits=False)
    whole = word_labels(*inputs)
    assert logits is None
    torch.testing.assert_close((ids, scores), whole[:2])


def test_what_does_not_fit_is_refused(device):
    hidden, first = torch.zeros(4, 8, device=device), ints([0, 1], device)
    weight, bias = torch.zeros(3, 8, device=device), torch.zeros(3, device=device)
    many = torch.zeros(MAX_LABELS + 1, 8, device=device)
    with pytest.raises(ValueError, match="has 65 labels; expected 1 to 64"):
        word_labels(hidden, many, many[:, 0].contiguous(), first)
    with pytest.raises(ValueError, match=r"weight has the shape \(3, 7\); expected \(3, 8\)"):
        word_labels(hidden, weight[:, 1:], bias, first)
    with pytest.raises(ValueError, match="pooling is 'mean' without pieces"):
        word_labels(hidden, weight, bias, first, pooling="mean")
    with pytest.raises(ValueError, match="pooling is 'first' with pieces"):
        word_labels(hidden, weight, bias, first, first)
    with pytest.raises(ValueError, match="pooling is 'sum'"):
        word_labels(hidden, weight, bias, first, first, pooling="sum")
    with pytest.raises(ValueError, match="pieces has the shape"):
        word_labels(hidden, weight, bias, first, first[:1], pooling="max")
