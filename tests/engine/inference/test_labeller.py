import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.arrays import offsets
from nerx.engine.config import LabelConfig
from nerx.engine.errors import BackendError, ConfigError
from nerx.engine.inference.labeller import Labeller, repair
from nerx.engine.labels.decoding import best_legal, softmax
from nerx.engine.labels.schemes import Scheme
from nerx.engine.labels.spans import label_records
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import EncodedBlock, LabelledBlock, Record, WordLabels

from ..fake_backend import FakeBackend
from ..labels.test_decoding import illegal_documents
from ..tokenizers_for_tests import wordpiece

NER = Scheme.from_labels("O B-PER I-PER B-LOC I-LOC".split())
IOBES = Scheme.from_labels("O B-X I-X E-X S-X".split())
BARE = Scheme.from_labels(["B", "I"])
TEXTS = st.lists(st.text(alphabet="paris lnbe", max_size=60), max_size=8)


def encode(texts: list[str], unit: str = "words") -> EncodedBlock:
    encoder = Encoder(wordpiece(), unit=unit, max_length=20, overlap=3, pad_id=0)
    return encoder.encode(records(texts))


def records(texts: list[str]) -> list[Record]:
    return [Record(b"", 1, 0, text=text) for text in texts]


def labeller(backend: FakeBackend, scheme: Scheme = NER, **options: object) -> Labeller:
    config = LabelConfig(**options)
    special = Encoder(wordpiece(), unit="words", max_length=20, overlap=3, pad_id=0).special
    return Labeller(backend, special, scheme, config)


def label(
    texts: list[str], scheme: Scheme = NER, unit: str = "words", **options: object
) -> LabelledBlock:
    encoded = encode(texts, unit)
    with labeller(FakeBackend(len(scheme.labels)), scheme, **options) as engine:
        [labels] = engine.label([encoded])
    return label_records(
        records(texts), encoded, labels, scheme, float(options.get("min_score", 0))
    )


@given(texts=TEXTS, budget=st.integers(1, 200))
def test_every_word_gets_the_label_of_its_first_subword(texts: list[str], budget: int) -> None:
    block = label(texts, decode="argmax", batch_tokens=budget)
    first = block.encoded.subword_ids[block.encoded.word_subwords[:-1]]
    np.testing.assert_array_equal(block.labels.label_ids, first % 5)
    np.testing.assert_allclose(block.labels.scores, 0.9, rtol=1e-6)


@given(texts=TEXTS, budget=st.integers(1, 200))
def test_viterbi_gives_legal_labels_and_leaves_legal_documents_alone(
    texts: list[str], budget: int
) -> None:
    greedy = label(texts, decode="argmax")
    best = label(texts, decode="viterbi", batch_tokens=budget)
    doc_words = best.encoded.doc_words
    assert not len(illegal_documents(best.labels.label_ids, doc_words, NER))
    illegal = set(illegal_documents(greedy.labels.label_ids, doc_words, NER).tolist())
    for doc, (begin, end) in enumerate(itertools.pairwise(doc_words)):
        same = (greedy.labels.label_ids[begin:end] == best.labels.label_ids[begin:end]).all()
        assert same == (doc not in illegal)
        if doc not in illegal:
            np.testing.assert_array_equal(
                greedy.labels.scores[begin:end], best.labels.scores[begin:end]
            )


@given(lengths=st.lists(st.integers(0, 90), max_size=5), seed=st.integers(0, 10_000))
@pytest.mark.parametrize("scheme", [NER, IOBES, BARE], ids=lambda scheme: scheme.name)
def test_what_is_repaired_in_part_is_the_best_of_the_whole_document(
    scheme: Scheme, lengths: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    doc_words = offsets(np.array(lengths, np.int32))
    logits = rng.normal(size=(doc_words[-1], len(scheme.labels)), scale=3).astype(np.float32)
    # mostly legal, as labels of a model are, with a few words that are wrong
    logits[np.arange(len(logits)), best_legal(logits, doc_words, scheme)] += 5
    wrong = rng.integers(0, max(len(logits), 1), 3 if len(logits) else 0)
    logits[wrong] = rng.normal(size=(len(wrong), len(scheme.labels)), scale=3)
    probabilities = softmax(logits)
    labels = WordLabels(
        label_ids=logits.argmax(axis=1).astype(np.int32), scores=probabilities.max(axis=1)
    )
    before = labels.label_ids.copy()
    repaired = repair(labels, lambda words: logits[words], doc_words, scheme)
    np.testing.assert_array_equal(labels.label_ids, before)
    labels = repaired
    best = best_legal(logits, doc_words, scheme)
    np.testing.assert_array_equal(labels.label_ids, best)
    np.testing.assert_allclose(labels.scores, probabilities[np.arange(len(best)), best], rtol=1e-5)


@given(texts=TEXTS, blocks=st.integers(1, 4))
def test_blocks_and_order_change_no_label(texts: list[str], blocks: int) -> None:
    whole = label(texts)
    encoded = [encode(texts[number::blocks]) for number in range(blocks)]
    with labeller(FakeBackend(5)) as engine:
        parts = list(engine.label(encoded))
    for number, part in enumerate(parts):
        for place, doc in enumerate(range(number, len(texts), blocks)):
            begin, end = whole.encoded.doc_words[doc : doc + 2]
            first, last = encoded[number].doc_words[place : place + 2]
            np.testing.assert_array_equal(
                whole.labels.label_ids[begin:end], part.label_ids[first:last]
            )


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooling_looks_at_every_subword(how: str) -> None:
    block = label(["paris berlins paris"], aggregation=how, decode="argmax")
    encoded = block.encoded
    assert (np.diff(encoded.word_subwords) > 1).all()
    for word in range(encoded.words):
        ids = encoded.subword_ids[slice(*encoded.word_subwords[word : word + 2])]
        rows = np.full((len(ids), 5), np.log(0.1 / 4))
        rows[np.arange(len(ids)), ids % 5] = np.log(0.9) + ids * 1e-4
        rows = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
        pooled = rows.mean(axis=0) if how == "mean" else rows.max(axis=0)
        pooled /= pooled.sum()
        assert block.labels.label_ids[word] == pooled.argmax()
        assert block.labels.scores[word] == pytest.approx(pooled.max(), rel=1e-5)


def test_white_space_parts_words_in_segmentation() -> None:
    tokenizer = wordpiece()
    inside = [c for c in "abcdefgh" if tokenizer.token_to_id(c) % 2][:2]
    text = f"{inside[0]}{inside[1]} {inside[1]}{inside[0]}"
    block = label([text, text], scheme=BARE, unit="characters", decode="argmax")
    assert (block.labels.label_ids == 1).all()
    assert block.spans.first.tolist() == [0, 2, 4, 6]


def test_min_score_drops_entities_and_their_labels() -> None:
    kept = label(["paris berlin e l n"], min_score=0.5)
    assert len(kept.spans.first)
    none = label(["paris berlin e l n"], min_score=0.99)
    assert not len(none.spans.first)
    assert not none.labels.label_ids.any()
    with pytest.raises(ConfigError, match="segmentation"):
        LabelConfig(min_score=0.5).check_segmentation()


@pytest.mark.parametrize("aggregation", ["first", "mean"])
def test_documents_without_words_pass(aggregation: str) -> None:
    for texts in ([], [""], ["", "  ", "\n"]):
        block = label(texts, aggregation=aggregation)
        assert len(block.records) == len(texts)
        assert not block.encoded.words


@pytest.mark.parametrize("aggregation", ["first", "mean"])
def test_a_document_that_breaks_its_batch_is_found_and_its_neighbours_are_labelled(
    aggregation: str,
) -> None:
    poison = wordpiece().token_to_id("n")
    texts = ["paris berlin", "e l", "n", "paris", "", "l s n e"]
    options = {"aggregation": aggregation, "batch_tokens": 1000}
    with labeller(FakeBackend(5, poison), **options) as engine:
        [labels] = engine.label([encode(texts)])
    assert labels.failed == {2: "poisoned batch", 5: "poisoned batch"}
    doc_words = encode(texts).doc_words
    for doc in (0, 1, 3):
        alone = label([texts[doc]], **options).labels
        begin, end = doc_words[doc : doc + 2]
        np.testing.assert_array_equal(labels.label_ids[begin:end], alone.label_ids)
        np.testing.assert_allclose(labels.scores[begin:end], alone.scores)


def test_a_backend_that_fails_on_everything_ends_the_run() -> None:
    backend = FakeBackend(5, poison=wordpiece().token_to_id("[CLS]"))
    with labeller(backend) as engine, pytest.raises(BackendError, match="poisoned"):
        list(engine.label([encode(["paris", "berlin"])]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation": "sum"}, "expected one of first"),
        ({"decode": "beam"}, "expected one of viterbi"),
        ({"min_score": 2.0}, "from 0 to 1"),
        ({"overlap": -1}, "0 or more"),
        ({"batch_tokens": 0}, "1 or more"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelConfig(**options)
