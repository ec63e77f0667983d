"""Systems side by side, with a tiny real bundle and a peer that does as it is told."""

from dataclasses import replace

import pytest

from nerx.benchmarks.measure import measure
from nerx.benchmarks.regression import compare_results
from nerx.benchmarks.report import measured, report
from nerx.benchmarks.rows import collect
from nerx.benchmarks.systems import own_systems
from nerx.engine.bundle import Bundle
from nerx.export.sample import Sample

WORDS = [["Paris", "is", "in", "Berlin", str(number)] for number in range(60)]
SAMPLE = Sample(WORDS, None, "made")


def own(tiny):
    [system] = own_systems([Bundle.load(tiny)], " ", "openvino", "auto", 0)
    return system


def results_of(systems, tiny):
    found = measure(systems, {}, SAMPLE, 1.0, lambda text: None)
    return collect(found, [Bundle.load(tiny)], [7] * len(found.sample.words), None)


def types_of(tags):
    return [tag.partition("-")[2] or "O" for tag in tags]


@pytest.fixture
def labels(quick, tiny):
    """What the tiny bundle says of each document, as a script for a peer."""
    [result] = measure([own(tiny)], {}, SAMPLE, 1.0, lambda text: None).results
    return {" ".join(words): types_of(tags) for words, tags in zip(WORDS, result.tags, strict=True)}


def rows(results):
    return {row["system"]: row for row in results["rows"]}


def test_a_wrong_label_of_a_peer_shows(quick, tiny, scripted, labels):
    # The script names a type for each word, so equal neighbours would be two entities there.
    right = rows(results_of([own(tiny), scripted(tags=labels)], tiny))["scripted"]
    text, types = next(iter(labels.items()))
    place = types.index("O")
    wrong = labels | {text: [*types[:place], "MISC", *types[place + 1 :]]}
    row = rows(results_of([own(tiny), scripted(tags=wrong)], tiny))["scripted"]
    words = sum(map(len, WORDS))
    assert row["label_agreement"] == pytest.approx(right["label_agreement"] - 1 / words, abs=1e-6)
    assert any(f"{WORDS[0][place]!r} is B-MISC, not O" in line for line in row["differences"])


def test_rows_hold_what_was_measured(quick, tiny, scripted):
    results = results_of([own(tiny), scripted(seconds_a_word=2e-4)], tiny)
    nerx, peer = rows(results)["nerx"], rows(results)["scripted"]
    for row in (nerx, peer):
        speed = row["words_per_s"]
        assert 0 < speed["min"] <= speed["median"] <= speed["max"]
        assert row["peak_memory_mb"] > 10
    assert peer["words_per_s"]["max"] <= 1 / 2e-4
    assert peer["padding"] == 0.5
    assert 0 <= results["own_share"] < 0.1  # it waits; rounds as short as these show little else
    assert peer["ratio"]["median"] == 1.0
    assert results["first_peer"] == "scripted fp32"
    fast, slow = nerx["words_per_s"], peer["words_per_s"]
    assert fast["min"] / slow["max"] < nerx["ratio"]["median"] < fast["max"] / slow["min"]
    assert {"read", "encode", "run", "write"} <= set(nerx["stages"])
    assert nerx["stages"]["run"]["seconds"] > 0
    # two special tokens a document; every word is at least one subword
    assert nerx["subwords_per_s"]["median"] > 7 / 5 * nerx["words_per_s"]["median"]


def test_a_peer_that_fails_is_named_and_the_others_go_on(quick, tiny, scripted):
    results = results_of([own(tiny), scripted(error="no weights")], tiny)
    assert rows(results)["scripted"]["error"] == "RuntimeError: no weights"
    assert [row["system"] for row in measured(results)] == ["nerx"]
    assert "RuntimeError: no weights" in report(results, [])


def test_a_slowed_backend_shows_against_older_results(quick, tiny, scripted):
    peer = scripted(seconds_a_word=1e-4)
    before = results_of([own(tiny), peer], tiny)
    slowed = replace(own(tiny), opens="slowed_nerx:open_driver")
    after = results_of([slowed, peer], tiny)
    [change] = compare_results(before, after)
    assert change.worse
    assert change.after < change.before
    assert not any(change.worse for change in compare_results(before, before))
    [back] = compare_results(after, before)
    assert not back.worse
