from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AlbertConfig, AutoModelForTokenClassification, BertConfig

from nerx.finetune.align import IGNORED
from nerx.finetune.recipes import find_recipe, override
from nerx.finetune.trainer import (
    TokenBatches,
    drop_words,
    moved_uphill,
    parameter_groups,
    rate_of,
)

LAYERED = override(
    find_recipe("nerx-en"),
    {"learning_rate": "1e-4", "layer_decay": "0.5", "head_learning_rate": "1e-3"},
)


def test_rates_fall_from_the_head_to_the_embeddings():
    names = [
        "classifier.weight",
        *(f"bert.encoder.layer.{layer}.output.dense.weight" for layer in (11, 10, 1, 0)),
        "bert.embeddings.word_embeddings.weight",
    ]
    rates = [rate_of(name, LAYERED, 12) for name in names]
    assert rates[:3] == [1e-3, 1e-4, 5e-5]
    assert all(above > below for above, below in pairwise(rates))
    assert rates[-1] == pytest.approx(1e-4 * 0.5**12)


@pytest.mark.parametrize("config", [BertConfig, AlbertConfig], ids=["bert", "albert"])
def test_every_parameter_is_in_one_group(config):
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    model = AutoModelForTokenClassification.from_config(config(**sizes, num_hidden_layers=3))
    groups = parameter_groups(model, LAYERED, [])
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert {group["lr"] for group in groups} >= {1e-3}


def test_the_cards_train_all_parameters_at_one_rate():
    rates = {
        rate_of(name, find_recipe("albert-conll2003"), 12)
        for name in ("classifier.bias", "bert.encoder.layer.0.x", "bert.embeddings.x", "albert.x")
    }
    assert rates == {2e-5}


ROWS = torch.tensor([[2, 10, 11, 12, 13, 14, 3, 0], [2, 20, 21, 3, 0, 0, 0, 0]])
LABELS = torch.full_like(ROWS, IGNORED)
LABELS[0, [1, 3, 4]] = 1  # words 10 11 | 12 | 13 14
LABELS[1, [1, 2]] = 1
SPECIAL = torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize("seed", range(20))
def test_a_dropped_word_loses_all_its_subwords_and_no_special_token(seed):
    torch.manual_seed(seed)
    after = drop_words(ROWS, LABELS, share=0.5, unknown_id=1, special_ids=SPECIAL)
    hit = after == 1
    assert torch.equal(after[~hit], ROWS[~hit])
    assert not hit[torch.isin(ROWS, SPECIAL)].any()
    assert hit[0, 1] == hit[0, 2]
    assert hit[0, 4] == hit[0, 5]


def test_the_share_of_dropped_words_is_as_asked():
    torch.manual_seed(0)
    ids = torch.arange(10, 1010).repeat(20, 1)
    after = drop_words(ids, torch.ones_like(ids), share=0.1, unknown_id=1, special_ids=SPECIAL)
    assert (after == 1).float().mean() == pytest.approx(0.1, abs=0.01)


def test_uphill_the_loss_is_higher_and_the_weight_comes_back():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(50, 8))

    def loss():
        return (weight[3:6] ** 2).sum() + weight[7].sin().sum()

    loss().backward()
    before, slope = weight.detach().clone(), weight.grad.clone()
    below = loss().item()
    with moved_uphill(weight, 0.1):
        assert (weight.detach() - before).norm().item() == pytest.approx(0.1, rel=1e-4)
        assert loss().item() == pytest.approx(below + 0.1 * slope.norm().item(), rel=0.01)
        loss().backward()
    assert torch.equal(weight.detach(), before)
    assert not torch.equal(weight.grad, slope)  # both gradients count


@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=300), tokens=st.integers(1, 400))
def test_the_batches_hold_every_row_once_an_epoch(lengths, tokens):
    batches = TokenBatches(lengths, tokens, seed=3)
    first = list(batches)
    assert len(first) == len(batches)
    assert sorted(at for batch in first for at in batch) == list(range(len(lengths)))
    for batch in first:
        assert len(batch) == 1 or len(batch) * max(lengths[at] for at in batch) <= tokens


def test_the_batches_waste_little_and_are_the_same_again_for_an_epoch():
    lengths = torch.randint(1, 100, (2000,), generator=torch.Generator().manual_seed(1)).tolist()
    batches = TokenBatches(lengths, 1000, seed=3)
    first = list(batches)
    padded = sum(len(batch) * max(lengths[at] for at in batch) for batch in first)
    assert padded < 1.05 * sum(lengths)
    # Long and short batches alternate at random: neighbours are not sorted.
    means = [sum(lengths[at] for at in batch) / len(batch) for batch in first]
    rises = sum(later > earlier for earlier, later in pairwise(means))
    assert 0.35 * len(means) < rises < 0.65 * len(means)
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first
