"""Small tokenizers of the three kinds that nerx meets, with vocabularies made here."""

import string

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SIGNS = string.ascii_letters + string.digits + string.punctuation + "我爱北京"


def wordpiece(extra: tuple[str, ...] = ("par", "##is", "ber", "##lin", "##s")) -> Tokenizer:
    """A lower-casing BERT tokenizer that knows every ASCII letter alone."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *extra, *SIGNS, *(f"##{sign}" for sign in SIGNS)]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """A SentencePiece-like tokenizer, as ALBERT and XLM-R have."""
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -3.0)]
    pieces += [("▁par", -2.0), ("is", -2.5), ("▁ber", -2.0), ("lin", -2.5)]
    pieces += [(sign, -6.0) for sign in SIGNS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    """A byte-level BPE tokenizer, as RoBERTa has."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: number for number, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    vocab |= {sign: number + 4 for number, sign in enumerate(alphabet)}
    merges = [("p", "a"), ("pa", "r"), ("Ġ", "par")]
    vocab |= {a + b: len(vocab) + number for number, (a, b) in enumerate(merges)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


KINDS = {"wordpiece": wordpiece, "unigram": unigram, "byte_level": byte_level}
