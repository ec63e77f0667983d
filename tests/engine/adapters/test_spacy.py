"""spaCy's own tools work on what nerx finds."""

import pickle
import tomllib
import warnings
from importlib import import_module
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    spacy = pytest.importorskip("spacy", reason="needs spaCy")
    from nerx.engine.adapters import spacy as adapter

from nerx.engine import ConfigError, Tagger

from ...tiny_bundle import BARE, write_tiny_bundle

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["Paris  and\n\nBerlin saw Lima.", "", " \n ", "Oslo, Seoul's \U0001f600 and Paris"] * 5


@pytest.fixture(scope="module")
def nlp(tmp_path_factory):
    nlp = spacy.blank("en")
    folder = write_tiny_bundle(tmp_path_factory.mktemp("models") / "ner")
    nlp.add_pipe("nerx", config={"model": str(folder)})
    return nlp


@pytest.fixture(scope="module")
def folder(nlp):
    return nlp.get_pipe_config("nerx")["model"]


def found(doc):
    return [(ent.text, ent.label_, ent._.score) for ent in doc.ents]


def test_entities_are_those_of_the_tagger_on_the_same_words(nlp, folder):
    with Tagger(folder) as tagger:
        for doc in map(nlp, TEXTS):
            words = [token for token in doc if not token.is_space]
            labelled = tagger([token.text for token in words], is_split_into_words=True)
            expected = [
                (
                    words[entity["start"]].idx,
                    words[entity["end"] - 1].i,
                    entity["entity_group"],
                    entity["score"],
                )
                for entity in labelled["entities"]
            ]
            assert expected == [
                (ent.start_char, ent.end - 1, ent.label_, ent._.score) for ent in doc.ents
            ]
    assert sum(len(nlp(text).ents) for text in TEXTS) > 10


def test_spacys_tokens_stay(nlp):
    blank = spacy.blank("en")
    for text in TEXTS:
        doc = nlp(text)
        assert doc.text == text
        assert [token.text for token in doc] == [token.text for token in blank(text)]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_stream_is_labelled_in_order(nlp, batch_size):
    pairs = ((text, number) for number, text in enumerate(TEXTS))
    docs = list(nlp.pipe(pairs, as_tuples=True, batch_size=batch_size))
    assert [number for _, number in docs] == list(range(len(TEXTS)))
    assert [found(doc) for doc, _ in docs] == [found(nlp(text)) for text in TEXTS]


def test_a_pipeline_can_be_pickled_and_saved(nlp, tmp_path):
    text = TEXTS[0]
    assert found(pickle.loads(pickle.dumps(nlp))(text)) == found(nlp(text))
    nlp.to_disk(tmp_path / "saved")
    assert found(spacy.load(tmp_path / "saved")(text)) == found(nlp(text))


def test_docbin_keeps_entities_and_scores(nlp):
    from spacy.tokens import DocBin

    kept = DocBin(store_user_data=True, docs=map(nlp, TEXTS))
    again = DocBin().from_bytes(kept.to_bytes()).get_docs(nlp.vocab)
    assert [found(doc) for doc in again] == [found(nlp(text)) for text in TEXTS]


def test_displacy_draws_entities(nlp):
    html = spacy.displacy.render(nlp("Paris saw Berlin"), style="ent", page=False, jupyter=False)
    for ent in nlp("Paris saw Berlin").ents:
        assert ent.text in html
        assert ent.label_ in html


def test_presidio_finds_persons(nlp):
    presidio = pytest.importorskip("presidio_analyzer", reason="needs presidio-analyzer")
    engine = presidio.nlp_engine.SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "-"}])
    engine.nlp = {"en": nlp}
    registry = presidio.RecognizerRegistry(
        recognizers=[presidio.predefined_recognizers.SpacyRecognizer()]
    )
    analyzer = presidio.AnalyzerEngine(nlp_engine=engine, registry=registry)
    text = " ".join(TEXTS)
    results = analyzer.analyze(text, language="en", entities=["PERSON", "LOCATION"])
    kinds = {"PER": "PERSON", "LOC": "LOCATION"}
    expected = {(ent.start_char, ent.end_char, kinds[ent.label_]) for ent in nlp(text).ents}
    assert {(item.start, item.end, item.entity_type) for item in results} == expected


def test_the_tokenizer_parts_words(tmp_path):
    folder = write_tiny_bundle(tmp_path / "zh", BARE, "characters")
    config = {"nlp": {"tokenizer": {"@tokenizers": "nerx.Tokenizer.v1", "model": str(folder)}}}
    nlp = spacy.blank("zh", config=config)
    with Tagger(folder) as tagger:
        for text in ("我爱北京", "北京 爱\n我  ", "", "a 我b"):
            doc = nlp(text)
            assert doc.text == text
            expected = [word for word in tagger(text)["words"] if not word.isspace()]
            assert [token.text for token in doc if not token.is_space] == expected
    assert [token.text for token in pickle.loads(pickle.dumps(nlp))("我爱")] == [
        token.text for token in nlp("我爱")
    ]


def test_a_model_of_words_is_no_component(tmp_path):
    nlp = spacy.blank("en")
    folder = write_tiny_bundle(tmp_path / "zh", BARE, "characters")
    nlp.add_pipe("nerx", config={"model": str(folder)})
    with pytest.raises(ConfigError, match="use it as tokenizer"):
        nlp("Paris")


def test_spacy_finds_both_by_their_entry_points():
    root = Path(__file__).resolve().parents[3]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("needs the project's pyproject.toml")
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]
    for group, made in (
        ("spacy_factories", adapter.make_component),
        ("spacy_tokenizers", adapter.make_tokenizer),
    ):
        [target] = points[group].values()
        module, _, name = target.partition(":")
        assert getattr(import_module(module), name) is made
