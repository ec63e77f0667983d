"""Side by side with the pipeline of transformers, on a model that labels subwords at random."""

import random
from functools import partial
from types import GeneratorType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders

from nerx.engine import pipeline
from nerx.engine.errors import ConfigError, InputError

from ...tiny_bundle import write_tiny_bundle
from ..tokenizers_for_tests import KINDS
from ..transformers_twin import transformers_pipeline

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers warns of much

DECODERS = {
    "wordpiece": decoders.WordPiece(),
    "unigram": decoders.Metaspace(),
    "byte_level": decoders.ByteLevel(),
}
STRATEGIES = ("none", "simple", "first", "average", "max")
WORDS = ["Paris", "Berlins", "par", "is", "p.m.", "U.S.", "北京", "爱", "Zoë", "ß", "🇩🇪", "x"]
WORDS += ["(Paris)", "don't", "a-b", "...", "\u200b", "e\u0301", "[SEP]", "ǅ", "ﬁ"]


@pytest.fixture(scope="module", params=sorted(KINDS))
def twins(request, tmp_path_factory):
    """The pipeline of transformers, that of nerx, and how many subwords a window takes."""
    kind = request.param
    tokenizer = KINDS[kind]()
    tokenizer.decoder = DECODERS[kind]
    folder = write_tiny_bundle(tmp_path_factory.mktemp("twin") / kind, tokenizer=tokenizer)

    original = partial(transformers_pipeline, kind, tokenizer)
    with pipeline("ner", model=folder, device=-1) as ours:
        of_words = original(add_prefix_space=True)  # what a byte-level tokenizer needs
        yield SimpleNamespace(ours=ours, theirs=original(), theirs_of_words=of_words)


def assert_same(ours, theirs):
    """Equal lists of entities: keys, their order, types and values; scores but for rounding."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert list(mine) == list(other)
        assert [type(value) for value in mine.values()] == [type(v) for v in other.values()]
        assert mine["score"] == pytest.approx(other["score"], abs=2e-6)
        assert {**mine, "score": 0} == {**other, "score": 0}


def texts(count: int, length: int) -> list[str]:
    chosen = random.Random(3)
    return [
        chosen.choice(["", " "])
        + "".join(
            chosen.choice(WORDS) + chosen.choice([" ", " ", " ", "  ", ", ", "\n", "."])
            for _ in range(chosen.randrange(length))
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_texts(twins, strategy):
    batch = [*texts(60, 9), ""]
    options = {"aggregation_strategy": strategy}
    ours, theirs = twins.ours(batch, **options), twins.theirs(batch, **options)
    assert sum(map(len, theirs)) > 60
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)
    assert_same(twins.ours(batch[3], **options), twins.theirs(batch[3], **options))


# Without "<" and "[": where a text spells out a special token ("<unk>"), the two differ.
@settings(max_examples=60)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="<["), max_size=20),
    strategy=st.sampled_from(STRATEGIES),
)
def test_any_text(twins, text, strategy):
    options = {"aggregation_strategy": strategy}
    assert_same(twins.ours(text, **options), twins.theirs(text, **options))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_long_texts_are_cut_off(twins, strategy):
    text = " ".join(WORDS * 8)
    options = {"aggregation_strategy": strategy}
    ours = twins.ours(text, **options)
    assert_same(ours, twins.theirs(text, **options))
    assert max(entity["end"] for entity in ours) < len(text) / 2


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
@pytest.mark.parametrize("stride", [0, 7, 30])
def test_strides(twins, strategy, stride):
    options = {"aggregation_strategy": strategy, "stride": stride}
    for text in ("", "Paris", " ".join(WORDS * 8), *texts(5, 120)):
        assert_same(twins.ours(text, **options), twins.theirs(text, **options))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("delimiter", [None, "", "--"])
def test_given_words(twins, strategy, delimiter):
    options = {"aggregation_strategy": strategy, "is_split_into_words": True}
    options |= {"delimiter": delimiter}
    rows = [text.split() for text in texts(20, 9)]
    rows = [row for row in rows if row]
    theirs = twins.theirs_of_words
    for mine, other in zip(twins.ours(rows, **options), theirs(rows, **options), strict=True):
        assert_same(mine, other)
    [mine], [other] = twins.ours(rows[0], **options), theirs(rows[0], **options)
    assert_same(mine, other)


@pytest.mark.parametrize("ignored", [[], ["O", "PER"], ["B-PER", "LOC"], ["O"]])
def test_ignored_labels(twins, ignored):
    for strategy in STRATEGIES:
        options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
        for text in texts(10, 9):
            assert_same(twins.ours(text, **options), twins.theirs(text, **options))


def test_given_offsets(twins):
    text = "Paris Berlins par is x Paris"
    places = [(n % 5, n % 5 + 3) for n in range(40)]
    for strategy in STRATEGIES:
        options = {"aggregation_strategy": strategy, "offset_mapping": places}
        assert_same(twins.ours(text, **options), twins.theirs(text, **options))


def test_generators_and_batches(twins):
    batch = texts(30, 9)
    expected = twins.theirs(batch, aggregation_strategy="simple")
    stream = twins.ours((text for text in batch), aggregation_strategy="simple", batch_size=4)
    assert isinstance(stream, GeneratorType)
    for mine, other in zip(stream, expected, strict=True):
        assert_same(mine, other)
    assert twins.ours([]) == []


def test_options_of_the_pipeline_hold_for_each_call(twins, tmp_path):
    folder = write_tiny_bundle(tmp_path / "model")
    with pipeline(model=str(folder), aggregation_strategy="FIRST", ignore_labels=[]) as ours:
        text = "Paris is Berlins"
        assert ours(text) == ours(text, aggregation_strategy="first")
        assert "entity" in ours(text, aggregation_strategy="none")[0]


def test_what_cannot_be_done_is_said(tmp_path):
    folder = write_tiny_bundle(tmp_path / "model")
    with pytest.raises(ConfigError, match="task is 'fill-mask'"):
        pipeline("fill-mask", model=folder)
    with pytest.raises(ConfigError, match="unknown option colour"):
        pipeline(model=folder, colour="red")
    with pytest.raises(ConfigError, match="expected one of none, simple"):
        pipeline(model=folder, aggregation_strategy="last")
    with pipeline(model=folder) as ours:
        with pytest.raises(InputError, match="input 1 is of type int; expected a text"):
            ours(["a", 3])
        with pytest.raises(ConfigError, match="stride needs an aggregation_strategy"):
            ours("a", stride=3)
        with pytest.raises(ConfigError, match="stride is 62; expected less than 62"):
            ours("a", stride=62, aggregation_strategy="simple")
