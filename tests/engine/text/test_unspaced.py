"""Japanese, Thai, Lao, Khmer, Burmese and Tibetan text, beside what transformers makes of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from nerx.engine import LabelConfig, Tagger
from nerx.engine.bundle import Bundle
from nerx.engine.model import Model
from nerx.engine.text import unspaced
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import EncodedBlock, Record

from ...tiny_bundle import NER, write_tiny_bundle
from ..tokenizers_for_tests import KINDS

TEXTS = {
    "Japanese": "東京は日本の首都です。私は2024年からソニー(Sony)で働く田中さんに会いました。",
    "Thai": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย เขาชื่อJohnทำงานที่ธนาคาร",
    "Lao": "ນະຄອນຫຼວງວຽງຈັນເປັນເມືອງຫຼວງຂອງປະເທດລາວ",
    "Khmer": "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា",
    "Burmese": "ရန်ကုန်မြို့သည်မြန်မာနိုင်ငံ၏အကြီးဆုံးမြို့ဖြစ်သည်။",
    "Tibetan": "ལྷ་ས་ནི་བོད་ཀྱི་རྒྱལ་ས་ཡིན།",
    "halfwidth": "ｶﾞﾝﾀﾞﾑはﾄｳｷｮｳのｱﾆﾒ",
}
SPECIALS = {  # in the order of their ids
    "wordpiece": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "unigram": ["<pad>", "<unk>", "<s>", "</s>"],
    "byte_level": ["<s>", "<pad>", "</s>", "<unk>"],
}


def trained(kind: str) -> Tokenizer:
    """A tokenizer of a kind with subwords of the texts."""
    options = {"vocab_size": 500, "special_tokens": SPECIALS[kind], "show_progress": False}
    tokenizer = KINDS[kind]()
    if kind == "wordpiece":
        tokenizer.model = models.WordPiece(unk_token="[UNK]")
        trainer = trainers.WordPieceTrainer(**options)
    elif kind == "unigram":
        tokenizer.model = models.Unigram()
        trainer = trainers.UnigramTrainer(**options, unk_token="<unk>")
    else:
        tokenizer.model = models.BPE()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(**options, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*TEXTS.values()] * 5, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, *texts: str) -> EncodedBlock:
    encoder = Encoder(tokenizer, unit="words", max_length=512, overlap=0, pad_id=0)
    return encoder.encode([Record(b"", 1, 0, text=text) for text in texts])


@pytest.mark.parametrize("kind", KINDS)
def test_subwords_are_those_of_the_whole_text(kind: str) -> None:
    for text in TEXTS.values():
        tokenizer = trained(kind)
        whole = tokenizer.encode(text, add_special_tokens=False)
        block = encode(tokenizer, text)
        assert block.subword_ids.tolist() == whole.ids
        assert block.words > 0.5 * len(whole.ids)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_offsets_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    from ..transformers_twin import transformers_pipeline

    tokenizer = trained(kind)
    spaced = {"add_prefix_space": True} if kind == "byte_level" else {}  # as a bundle's tokenizer
    theirs = transformers_pipeline(kind, tokenizer, max_length=512, **spaced)
    folder = write_tiny_bundle(tmp_path / kind, tokenizer=tokenizer)
    config = LabelConfig(decode="argmax")
    with Model(Bundle.load(folder), config=config) as ours:
        for text in TEXTS.values():
            [block] = ours.label([[Record(b"", 1, 0, text=text)]])
            found = [
                (NER[label], start, end)
                for label, start, end in zip(
                    block.labels.label_ids,
                    block.encoded.word_start.tolist(),
                    block.encoded.word_end.tolist(),
                    strict=True,
                )
            ]
            expected, covered = [], 0
            for token in theirs(text, ignore_labels=[]):
                # a blank is no word; a character that two subwords share is the first one's
                if token["word"] not in ("▁", "Ġ") and token["end"] > covered:
                    expected.append((token["entity"], max(token["start"], covered), token["end"]))
                    covered = token["end"]
            assert found == expected


def test_entities_are_those_of_transformers(tmp_path: Path) -> None:
    from ..transformers_twin import transformers_pipeline

    tokenizer = trained("wordpiece")
    theirs = transformers_pipeline("wordpiece", tokenizer, max_length=512)
    folder = write_tiny_bundle(tmp_path / "wordpiece", tokenizer=tokenizer)
    count = 0
    with Tagger(folder, config=LabelConfig(decode="argmax")) as ours:
        for text in TEXTS.values():
            expected = theirs(text, aggregation_strategy="simple")
            found = ours(text)["entities"]
            keys = ("entity_group", "start", "end")
            assert [[e[key] for key in keys] for e in found] == [
                [e[key] for key in keys] for e in expected
            ]
            assert all(text[e["start"] : e["end"]] == e["word"] for e in found)
            count += len(found)
    assert count > 10


ANY = st.text(alphabet=st.sampled_from("".join(TEXTS.values()) + " 我éx.ー\u3099\ud800\u200b㍿"))


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_disjoint_and_in_order(kind: str) -> None:
    tokenizer = trained(kind)

    @given(texts=st.lists(ANY, max_size=4))
    def holds(texts: list[str]) -> None:
        block = encode(tokenizer, *texts)
        for number, text in enumerate(texts):
            first, end = block.doc_words[number : number + 2]
            starts, ends = block.word_start[first:end], block.word_end[first:end]
            assert (starts < ends).all()
            assert (ends[:-1] <= starts[1:]).all()
            assert end > first or not text.strip()
            assert end == first or ends[-1] <= len(text)
        assert (block.word_subwords[:-1] <= block.word_heads).all()
        assert (block.word_heads < block.word_subwords[1:]).all()

    holds()


def test_other_words_of_the_text_are_cut_as_alone() -> None:
    tokenizer = trained("unigram")
    alone = encode(tokenizer, "Paris, U.S. 我爱")
    mixed = encode(tokenizer, "เขาชื่อ Paris, U.S. 我爱 เขาชื่อ")
    at = mixed.word_start.tolist().index(8)
    words = slice(at, at + alone.words)
    assert (mixed.word_start[words] - 8).tolist() == alone.word_start.tolist()
    assert (mixed.word_end[words] - 8).tolist() == alone.word_end.tolist()
    begin, end = mixed.word_subwords[[at, at + alone.words]]
    assert mixed.subword_ids[begin:end].tolist() == alone.subword_ids.tolist()


def test_a_very_long_run_is_tokenized_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = trained("wordpiece")
    text = TEXTS["Japanese"]
    whole = encode(tokenizer, text)
    monkeypatch.setattr(unspaced, "_LONGEST", len(text))
    monkeypatch.setattr(unspaced, "_AT_ONCE", 2)
    block = encode(tokenizer, text * 5)
    assert block.subword_ids.tolist() == whole.subword_ids.tolist() * 5
    expected = [start + len(text) * n for n in range(5) for start in whole.word_start.tolist()]
    assert block.word_start.tolist() == expected
