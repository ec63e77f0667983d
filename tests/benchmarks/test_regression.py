import copy

import pytest

from nerx.benchmarks.regression import compare_results
from nerx.engine.errors import InputError


def row(system, median, ratio, limit_share=None):
    speed = {"min": median * 0.99, "median": median, "max": median * 1.01}
    return {
        "system": system,
        "backend": system,
        "precision": "fp32",
        "words_per_s": speed,
        "ratio": {"min": ratio, "median": ratio, "max": ratio} if ratio else None,
        "limit_share": limit_share,
    }


def results(*rows, first_peer="torch fp32"):
    return {
        "model": {"name": "m"},
        "corpus": {"name": "c"},
        "first_peer": first_peer,
        "rows": list(rows),
    }


def test_a_slower_machine_is_no_regression():
    old = results(row("nerx", 1000, 4.0), row("torch", 250, 1.0))
    new = results(row("nerx", 100, 4.0), row("torch", 25, 1.0))
    [change] = compare_results(old, new)
    assert (change.relative, change.worse) == (0, False)


def test_a_smaller_ratio_is_one():
    old = results(row("nerx", 1000, 4.0), row("torch", 250, 1.0))
    new = results(row("nerx", 1000, 3.7), row("torch", 270, 1.0))
    [change] = compare_results(old, new)
    assert change.worse
    assert change.title == "nerx fp32"


def test_what_the_rounds_spread_over_does_not_count():
    old = results(row("nerx", 1000, 4.0), row("torch", 250, 1.0))
    new = copy.deepcopy(old)
    new["rows"][0]["ratio"]["median"] = 3.7
    new["rows"][0]["words_per_s"] = {"min": 800, "median": 1000, "max": 1100}
    assert not compare_results(old, new)[0].worse


def test_without_a_peer_the_limit_is_the_measure():
    old = results(row("nerx", 1000, None, 0.8), first_peer=None)
    new = results(row("nerx", 2000, None, 0.7), first_peer=None)
    [change] = compare_results(old, new)
    assert (change.measure, change.worse) == ("the limit", True)


def test_without_both_it_is_the_first_row():
    old = results(row("a", 100, None), row("b", 200, None), first_peer=None)
    new = results(row("a", 100, None), row("b", 150, None), first_peer=None)
    [change] = compare_results(old, new)
    assert (change.before, change.after, change.worse) == (2.0, 1.5, True)


def test_other_models_are_refused():
    new = results(row("nerx", 1, 1.0))
    with pytest.raises(InputError, match="old results are of the model x"):
        compare_results(new | {"model": {"name": "x"}}, new)
    with pytest.raises(InputError, match="share no two systems"):
        compare_results(results(first_peer=None), new)
