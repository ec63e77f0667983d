import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nerx.engine
from nerx.engine import (
    BackendError,
    BundleError,
    ConfigError,
    InputError,
    LabelConfig,
    Tagger,
    model,
)

from ..tiny_bundle import BARE, NER, write_tiny_bundle
from .fake_backend import FakeBackend
from .tokenizers_for_tests import wordpiece

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
    labelled = ner.pipe(documents, is_split_into_words=True)
    for words, document in zip(documents, labelled, strict=True):
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


def test_a_list_is_a_batch(ner: Tagger) -> None:
    texts = ["Paris berlin.", "nel", ""]
    assert ner(texts) == [ner(text) for text in texts]
    assert ner(tuple(texts)) == ner(texts)
    assert ner([]) == []


def test_words_are_given_where_it_is_said(ner: Tagger) -> None:
    one, other = ["Paris", "berlin", "x y"], ["nel"]
    labelled = ner(one, is_split_into_words=True)
    assert labelled["tokens"] == one
    assert len(labelled["tags"]) == len(one)
    batch = ner([one, other], is_split_into_words=True)
    assert batch == [labelled, ner(other, is_split_into_words=True)]
    assert list(ner.pipe(iter([one, other]), is_split_into_words=True)) == batch
    assert ner([], is_split_into_words=True)["tags"] == []


@pytest.mark.parametrize(
    ("text", "options", "most"),
    [
        ("paris", {}, 1000),
        ("paris " * 60, {}, 180),  # 64,000 characters, and no more than one text over on each side
        ("paris", {"read_ahead": 40}, 40),
        ("paris", {"read_ahead": 2}, 2),
        ("paris", {"read_ahead": 1}, 1),
    ],
)
def test_no_more_is_read_ahead_than_was_said(
    ner: Tagger, text: str, options: dict[str, int], most: int
) -> None:
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield text

    stream = ner.pipe(endless(), **options)
    for answered in range(1500):
        assert next(stream)["text"] == text
        assert answered < drawn <= answered + most


def test_reading_ahead_changes_no_label(ner: Tagger) -> None:
    texts = [f"paris {'berlin n ' * (n % 7)} e l" for n in range(90)]
    whole = list(ner.pipe(texts))
    for read_ahead in (1, 2, 3, 50):
        assert list(ner.pipe(texts, read_ahead=read_ahead)) == whole


def test_threads_that_share_a_tagger_get_what_one_gets(ner_folder: Path) -> None:
    draw = random.Random(0)
    letters = "parisbelnotx"
    texts = [
        " ".join("".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(40))
        for _ in range(320)
    ]
    with Tagger(ner_folder) as alone:
        expected = [alone(text) for text in texts]
    with Tagger(ner_folder) as shared, ThreadPoolExecutor(16) as threads:
        assert [*threads.map(shared, texts)] == expected
        parts = threads.map(lambda first: list(shared.pipe(texts[first::16])), range(16))
        for first, part in enumerate(parts):
            assert part == expected[first::16]


def test_the_document_that_the_model_fails_on_is_named(
    ner_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = wordpiece().token_to_id("z")
    backend = FakeBackend(labels=5, poison=poison)
    monkeypatch.setattr(model, "open_backend", lambda *_: backend)
    with Tagger(ner_folder) as tagger:
        assert (tagger.backend, tagger.device) == ("fake", "cpu")
        labelled = tagger.pipe(["paris"] * 11 + ["z"], read_ahead=8)
        with pytest.raises(BackendError, match="document 11: poisoned"):
            list(labelled)


def test_a_tagger_says_what_it_is_and_ends(ner_folder: Path) -> None:
    before = set(threading.enumerate())
    tagger = Tagger(ner_folder)
    assert tagger.labels == NER
    assert (tagger.backend, tagger.device) == ("openvino", "cpu")
    assert tagger("paris")["text"] == "paris"
    started = set(threading.enumerate()) - before
    assert any(thread.name.startswith("nerx-run") for thread in started)
    tagger.close()
    tagger.close()
    assert not any(thread.is_alive() for thread in started)
    with pytest.raises(ConfigError, match="closed"):
        tagger("paris")


def test_options_reach_the_model(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "ner")
    with Tagger(folder, config=LabelConfig(min_score=1.0)) as strict:
        assert strict("paris berlin")["entities"] == []
    seg = write_tiny_bundle(tmp_path / "seg", BARE, "characters")
    with pytest.raises(ConfigError, match="min_score"):
        Tagger(seg, config=LabelConfig(min_score=0.5))


@pytest.mark.parametrize("document", [None, 3, ["a", 3], ["a", "b"], b"bytes"])
def test_what_is_no_text_is_refused(ner: Tagger, document: object) -> None:
    with pytest.raises(InputError, match=r"document 1 is .* expected a text .*is_split_into_words"):
        list(ner.pipe(["fine", document]))


@pytest.mark.parametrize("document", [None, 3, ["a", 3], "a text", b"bytes"])
def test_what_is_no_list_of_words_is_refused(ner: Tagger, document: object) -> None:
    with pytest.raises(InputError, match=r"document 1 is .* expected a list of words"):
        list(ner.pipe([["fine"], document], is_split_into_words=True))


@pytest.mark.parametrize("document", [None, 3, b"bytes", iter(["a"])])
def test_what_is_neither_a_document_nor_a_list_is_refused(ner: Tagger, document: object) -> None:
    for is_split_into_words in (False, True):
        with pytest.raises(InputError, match="document 0 is of type"):
            ner(document, is_split_into_words=is_split_into_words)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(BundleError, match="nowhere"):
        Tagger("./nowhere")


def test_the_public_names_are_these() -> None:
    assert set(nerx.engine.__all__) == {
        *("BackendError", "BundleError", "ConfigError", "InputError", "NerxError"),
        *("BatchTagger", "LabelConfig", "Tagger", "pipeline"),
    }
    for name in set(nerx.engine.__all__) - {"BatchTagger"}:  # that one needs an extra
        assert getattr(nerx.engine, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = nerx.engine.Nothing


def test_a_notebook_shows_what_was_found(ner: Tagger) -> None:
    labelled = ner("Paris <b> Berlin")
    html = labelled._repr_html_()
    assert isinstance(labelled, dict)
    assert repr(labelled) == repr(dict(labelled))
    assert re.sub("<[^>]*>", "", html).count("&lt;") == 1
    for entity in labelled["entities"]:
        word = entity["word"].replace("<", "&lt;")
        assert f">{word} <b style='font-size:.7em'>{entity['entity_group']}</b>" in html
