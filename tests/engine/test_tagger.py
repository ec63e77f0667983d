from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nerx.engine
from nerx.engine import BundleError, ConfigError, InputError, LabelConfig, Tagger

from ..tiny_bundle import BARE, write_tiny_bundle

HOSTILE = st.text(alphabet=st.characters(codec=None), max_size=60) | st.text(
    alphabet="paris我愛ب\u2028\x00\ud800\u0301\U0001f600\u200d \t\n.'", max_size=60
)


@pytest.fixture(scope="module")
def ner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tagger]:
    with Tagger(write_tiny_bundle(tmp_path_factory.mktemp("models") / "ner")) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tagger]:
    folder = tmp_path_factory.mktemp("models") / "seg"
    with Tagger(write_tiny_bundle(folder, BARE, "characters")) as tagger:
        yield tagger


@given(texts=st.lists(HOSTILE, max_size=6))
def test_entities_slice_back_to_the_text(ner: Tagger, texts: list[str]) -> None:
    labelled = list(ner.pipe(texts))
    assert [document["text"] for document in labelled] == texts
    for text, document in zip(texts, labelled, strict=True):
        end = 0
        for entity in document["entities"]:
            assert entity["word"] == text[entity["start"] : entity["end"]]
            assert end <= entity["start"] < entity["end"]
            assert 0 <= entity["score"] <= 1
            end = entity["end"]


@given(texts=st.lists(HOSTILE, max_size=6))
def test_segments_join_to_the_text(segmenter: Tagger, texts: list[str]) -> None:
    for text, document in zip(texts, segmenter.pipe(texts), strict=True):
        assert "".join(document["words"]) == text
        assert all(document["words"])
        assert all(word.isspace() or not set(word) & set(" \t\n") for word in document["words"])


@given(documents=st.lists(st.lists(HOSTILE, max_size=6), max_size=4))
def test_given_words_get_a_tag_each(ner: Tagger, documents: list[list[str]]) -> None:
    for words, document in zip(documents, ner.pipe(documents), strict=True):
        assert document["tokens"] == words
        assert len(document["tags"]) == len(words)
        for entity in document["entities"]:
            inside = words[entity["start"] : entity["end"]]
            assert entity["word"] == " ".join(inside)


def test_one_call_is_one_document(ner: Tagger) -> None:
    text = "Paris berlin. Nel paris"
    assert ner(text) == next(ner.pipe([text]))
    assert ner("") == {"text": "", "entities": []}


def test_order_and_neighbours_change_nothing(ner: Tagger) -> None:
    texts = [f"paris {'berlin n ' * n} e l" for n in range(40)]
    alone = [ner(text) for text in texts]
    assert list(ner.pipe(texts)) == alone
    assert list(ner.pipe(reversed(texts))) == alone[::-1]


def test_a_long_document_is_labelled_to_its_end(ner: Tagger) -> None:
    text = "berlin paris n e l " * 400
    short = [(e["entity_group"], e["word"]) for e in ner("berlin paris n e l " * 4)["entities"]]
    long = [(e["entity_group"], e["word"]) for e in ner(text)["entities"]]
    assert long == short * 100


def test_documents_are_drawn_as_they_are_needed(ner: Tagger) -> None:
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield "paris " * 2000

    assert next(ner.pipe(endless()))
    assert drawn < 100


def test_options_reach_the_model(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "ner")
    with Tagger(folder, config=LabelConfig(min_score=1.0)) as strict:
        assert strict("paris berlin")["entities"] == []
    seg = write_tiny_bundle(tmp_path / "seg", BARE, "characters")
    with pytest.raises(ConfigError, match="min_score"):
        Tagger(seg, config=LabelConfig(min_score=0.5))


@pytest.mark.parametrize("document", [None, 3, ["a", 3], b"bytes"])
def test_what_is_no_document_is_refused(ner: Tagger, document: object) -> None:
    with pytest.raises(InputError, match="document 1 is"):
        list(ner.pipe(["fine", document]))


def test_a_missing_model_is_named() -> None:
    with pytest.raises(BundleError, match="nowhere"):
        Tagger("./nowhere")


def test_the_public_names_are_these() -> None:
    assert set(nerx.engine.__all__) == {
        *("BackendError", "BundleError", "ConfigError", "InputError", "NerxError"),
        *("BatchTagger", "LabelConfig", "Tagger"),
    }
    for name in set(nerx.engine.__all__) - {"BatchTagger"}:  # that one needs an extra
        assert getattr(nerx.engine, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = nerx.engine.Nothing
