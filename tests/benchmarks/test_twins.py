"""What one of two systems finds alone is named, with the reason."""

from nerx.benchmarks.suites.twins import agreement, differences

SENTENCES = [["GDP", "of", "New", "York"], ["Oslo"]]


def tokenize(word: str) -> list[str]:
    """As a SentencePiece model that has no subword for the beginning of `GDP`."""
    return ["▁", word] if word == "GDP" else [f"▁{word}"]


def test_each_entity_that_one_has_alone_is_named_with_its_reason() -> None:
    original = [[("MISC", 0, 3), ("LOC", 7, 15)], [("LOC", 0, 4)]]
    found = [[("LOC", 7, 15)], [("PER", 0, 4)]]
    assert list(differences(SENTENCES, found, original, tokenize)) == [
        ("GDP MISC", "begins with a bare ▁"),
        ("Oslo LOC", "unexplained"),
        ("Oslo PER", "unexplained"),
    ]
    assert agreement(found, original) == 2 / 5
    assert not list(differences(SENTENCES, original, original, tokenize))
