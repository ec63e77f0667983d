import math

import pytest

from nerx.engine.errors import ConfigError
from nerx.engine.labels.schemes import Scheme
from nerx.finetune.recipes import RECIPES, Recipe, find_recipe, override


@pytest.mark.parametrize(
    ("name", "sentences", "epoch_steps", "all_steps"),
    [("albert-conll2003", 14_041, 1756, 5268), ("bert-chinese-ws", 28_150, 1564, 10_948)],
)
def test_step_counts_are_those_of_the_published_cards(name, sentences, epoch_steps, all_steps):
    recipe = find_recipe(name)
    steps = math.ceil(sentences / recipe.train_batch_size)
    assert (steps, steps * recipe.epochs) == (epoch_steps, all_steps)


@pytest.mark.parametrize("name", ["albert-conll2003", "bert-chinese-ws"])
def test_card_recipes_have_the_published_hyperparameters(name):
    recipe = find_recipe(name)
    assert (recipe.learning_rate, recipe.seed) == (2e-5, 42)
    assert (recipe.adam_beta1, recipe.adam_beta2, recipe.adam_epsilon) == (0.9, 0.999, 1e-8)
    # Nothing beyond what the cards list, whatever the built-in models use.
    assert (recipe.warmup_ratio, recipe.weight_decay, recipe.word_dropout) == (0, 0, 0)
    assert not recipe.bf16
    assert recipe.batch_tokens is None
    assert recipe.views == 0


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_labels_make_the_scheme_of_the_task(recipe: Recipe):
    if not recipe.labels:
        assert recipe.name == "own" or recipe.distilled  # labels are those of data or teachers
        return
    scheme = Scheme.from_labels(recipe.labels)
    assert scheme.name == "iob2"
    assert scheme.segmentation == (recipe.task == "segmentation")


def test_an_override_replaces_one_value_in_its_own_kind():
    recipe = find_recipe("bert-chinese-ws")
    changed = override(
        recipe,
        {
            "epochs": "1.5",
            "train_batch_size": "4",
            "bf16": "true",
            "eval_steps": "none",
            "hidden_dropout": "0.2",
            "labels": "X,Y",
        },
    )
    assert (changed.epochs, changed.train_batch_size, changed.bf16) == (1.5, 4, True)
    assert (changed.eval_steps, changed.hidden_dropout) == (None, 0.2)
    assert changed.labels == ("X", "Y")
    assert changed.learning_rate == recipe.learning_rate


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epoch", "3", "no hyperparameter 'epoch' to set; there are .*epochs"),
        ("task", "ner", "no hyperparameter 'task'"),
        ("epochs", "many", "epochs is 'many'; expected float"),
        ("seed", "none", "seed is 'none'; expected int"),
        ("bf16", "yes", "expected true or false"),
        ("learning_rate", "-1", "learning_rate is -1.0; expected more than 0"),
        ("learning_rate", "nan", "expected more than 0"),
        ("word_dropout", "1", "at least 0 and less than 1"),
        ("labels", "B", "expected two or more"),
        ("labels", "B,B", "each once"),
    ],
)
def test_a_bad_override_is_refused_with_what_was_expected(name, value, message):
    with pytest.raises(ConfigError, match=message):
        override(find_recipe("nerx-en"), {name: value})


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="nerx-zh"):
        find_recipe("albert")
