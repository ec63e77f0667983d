import pytest
import torch
from transformers import AutoModel, PreTrainedTokenizerFast

from nerx.engine.errors import ConfigError
from nerx.finetune.base import load_tokenizer
from nerx.finetune.prune import keep_characters, keep_pieces, save_pruned

from .conftest import make_base

TEXTS = ["paris", "par is.", "x"]  # no use for "▁ber" and "lin"


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("multilingual"), "unigram")


def hidden_states(folder, text):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        return model(**inputs).last_hidden_state


def test_a_text_whose_pieces_stay_is_encoded_as_before(multilingual, tmp_path):
    tokenizer = load_tokenizer(str(multilingual))
    full = len(tokenizer)
    pruned, old_ids = keep_pieces(tokenizer, TEXTS, full - 2)
    save_pruned(str(multilingual), pruned, old_ids, tmp_path / "small")
    small = AutoModel.from_pretrained(tmp_path / "small")
    assert small.get_input_embeddings().weight.shape[0] == len(pruned) == full - 2
    assert small.config.pad_token_id == pruned.pad_token_id
    for text in TEXTS:
        before = hidden_states(multilingual, text)
        # The base is fp32 here, its pruned copy fp16.
        torch.testing.assert_close(
            hidden_states(tmp_path / "small", text), before, atol=0.02, rtol=0
        )


def test_the_pieces_that_texts_use_most_stay(multilingual):
    tokenizer = load_tokenizer(str(multilingual))
    many = [piece for piece in tokenizer.get_vocab() if len(piece) > 1]
    pruned, old_ids = keep_pieces(
        tokenizer, ["berlin"] * 3 + ["par"], len(tokenizer) - len(many) + 6
    )
    assert {"▁ber", "lin"} < set(pruned.get_vocab())
    assert tokenizer.convert_ids_to_tokens(old_ids) == pruned.convert_ids_to_tokens(
        range(len(old_ids))
    )
    # A dropped piece falls apart into characters that stay: nothing becomes unknown.
    assert pruned.unk_token_id not in pruned("paris", add_special_tokens=False)["input_ids"]


def test_special_tokens_keep_their_roles(multilingual):
    tokenizer = load_tokenizer(str(multilingual))
    pruned, _ = keep_pieces(tokenizer, TEXTS, len(tokenizer) - 2)
    assert pruned.special_tokens_map == tokenizer.special_tokens_map
    first, *_, last = pruned("x")["input_ids"]
    assert (first, last) == (pruned.cls_token_id, pruned.sep_token_id)


def test_characters_are_cut_one_by_one_and_keep_their_embeddings(multilingual, tmp_path):
    tokenizer = load_tokenizer(str(multilingual))
    pruned, old_ids = keep_characters(tokenizer)
    assert pruned.tokenize("我 爱 X ,", is_split_into_words=False) == ["我", "爱", "X", ","]
    assert all(len(piece) == 1 or piece.startswith("[") for piece in pruned.get_vocab())
    save_pruned(str(multilingual), pruned, old_ids, tmp_path / "small")
    old = AutoModel.from_pretrained(multilingual).get_input_embeddings().weight
    new = AutoModel.from_pretrained(tmp_path / "small").get_input_embeddings().weight
    for character in "我爱X,":
        row = old[tokenizer.convert_tokens_to_ids(character)]
        torch.testing.assert_close(
            new[pruned.convert_tokens_to_ids(character)].float(), row, atol=1e-3, rtol=1e-3
        )


def test_letters_of_other_scripts_go(multilingual):
    pruned, _ = keep_characters(load_tokenizer(str(multilingual)), ["CJK"])
    vocabulary = set(pruned.get_vocab())
    assert {"我", "1", ","} < vocabulary
    assert not {"X", "a"} & vocabulary


def test_a_size_too_small_for_the_characters_is_refused(multilingual):
    with pytest.raises(ConfigError, match=r"size is 5, but .* stay"):
        keep_pieces(load_tokenizer(str(multilingual)), TEXTS, 5)


def test_a_wordpiece_vocabulary_is_refused(base):
    with pytest.raises(ConfigError, match="WordPiece; expected Unigram"):
        keep_characters(load_tokenizer(str(base)))


def test_the_english_encoder_is_cut_further_without_change(shared, tmp_path):
    encoder = shared / "encoders" / "e5-small-en"
    sentence = "Angela Merkel visited Paris."
    tokenizer = load_tokenizer(str(encoder))
    pruned, old_ids = keep_pieces(tokenizer, [sentence], 2000)
    assert pruned.tokenize(sentence) == tokenizer.tokenize(sentence)
    assert [old_ids[at] for at in pruned(sentence)["input_ids"]] == tokenizer(sentence)["input_ids"]
