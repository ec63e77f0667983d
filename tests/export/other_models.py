"""Small random classifiers as other people publish them: their own tokenizers, configured."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from .conftest import OPTIONS, SIZES

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
PIECES = 1000
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@dataclass(frozen=True)
class Kind:
    """What a model type's classifiers come with.

    tokenizer: "wordpiece", "unigram", "fours" or "bytes" (byte-level BPE with no prefix space)
    special: its special tokens, those around a sentence named by `around`
    """

    model: str
    tokenizer: str
    tokenizer_class: str
    special: Sequence[str] = BERT
    around: tuple[str, str] = ("[CLS]", "[SEP]")
    configured: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)


def _roberta(model: str, tokenizer: str, name: str, **options: object) -> Kind:
    return Kind(model, tokenizer, name, ROBERTA, ("<s>", "</s>"), options=dict(options))


ALBERT = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
BIG_BIRD = ("<pad>", "</s>", "<s>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
MPNET = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
KINDS = (
    Kind("bert", "wordpiece", "BertTokenizerFast", configured={"do_lower_case": False}),
    Kind("albert", "unigram", "AlbertTokenizerFast", ALBERT),
    _roberta("roberta", "bytes", "RobertaTokenizerFast", type_vocab_size=1),
    _roberta("xlm-roberta", "unigram", "XLMRobertaTokenizerFast"),
    Kind("distilbert", "wordpiece", "DistilBertTokenizerFast", configured={"do_lower_case": True}),
    Kind("electra", "wordpiece", "ElectraTokenizerFast", configured={"strip_accents": True}),
    Kind("deberta-v2", "unigram", "DebertaV2TokenizerFast"),
    Kind("modernbert", "bytes", "PreTrainedTokenizerFast",
         configured={"model_input_names": ["input_ids", "attention_mask"]}),
    _roberta("camembert", "unigram", "CamembertTokenizerFast"),
    Kind("mpnet", "wordpiece", "MPNetTokenizerFast", MPNET, ("<s>", "</s>")),
    Kind("mobilebert", "wordpiece", "MobileBertTokenizerFast",
         options={"embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32}),
    Kind("roformer", "wordpiece", "BertTokenizerFast", options={"embedding_size": 64}),
    Kind("squeezebert", "wordpiece", "SqueezeBertTokenizerFast", options={"embedding_size": 64}),
    Kind("rembert", "unigram", "RemBertTokenizerFast", ALBERT,
         options={"input_embedding_size": 32, "output_embedding_size": 32}),
    Kind("big_bird", "unigram", "BigBirdTokenizerFast", BIG_BIRD),
    Kind("megatron-bert", "wordpiece", "BertTokenizerFast"),
    Kind("ernie", "wordpiece", "BertTokenizerFast", configured={"tokenize_chinese_chars": False}),
    Kind("deberta", "bytes", "DebertaTokenizerFast", ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"),
         options=OPTIONS["deberta-v2"]),
    _roberta("data2vec-text", "bytes", "RobertaTokenizerFast"),
    _roberta("roberta-prelayernorm", "bytes", "RobertaTokenizerFast"),
)  # fmt: skip


def make_classifier(folder: Path, kind: Kind, texts: Sequence[Sequence[str]]) -> Path:
    """A random classifier that gives every label to about as many of the words in `texts`."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from nerx.export.checkpoint import without_scripts

    tokenizer = write_tokenizer(folder, kind, texts)
    torch.manual_seed(7)
    sizes = {**SIZES, "vocab_size": PIECES + 8, "max_position_embeddings": 258}
    if kind.model == "distilbert":
        sizes = {name: sizes[name] for name in ("vocab_size", "max_position_embeddings")}
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {k: i for i, k in enumerate(LABELS)}}
    options = sizes | OPTIONS.get(kind.model, {}) | kind.options | names
    options["pad_token_id"] = next(
        place for place, token in enumerate(kind.special) if token.lower() in ("[pad]", "<pad>")
    )
    with without_scripts():
        config = transformers.AutoConfig.for_model(kind.model, **options)
        model = transformers.AutoModelForTokenClassification.from_config(config).eval()
    with torch.inference_mode():
        model.get_input_embeddings().weight *= 20.0  # what a word is outweighs where it stands
        ids = [tokenizer.encode(list(words), is_pretokenized=True).ids for words in texts]
        logits = torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in ids])
        model.classifier.bias -= logits.mean(dim=0)
        spread = logits.std()
        model.classifier.weight *= 5.0 / spread
        model.classifier.bias *= 5.0 / spread
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path, kind: Kind, texts: Sequence[Sequence[str]]) -> Tokenizer:
    make = {"wordpiece": _wordpiece, "unigram": _unigram, "bytes": _bytes, "fours": _fours}
    tokenizer = make[kind.tokenizer]([" ".join(words) for words in texts], list(kind.special))
    first, last = kind.around
    around = [(token, tokenizer.token_to_id(token)) for token in kind.around]
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{first} $A {last}", special_tokens=around
    )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    configured = {"tokenizer_class": kind.tokenizer_class, "model_max_length": 512}
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(configured | kind.configured))
    return tokenizer


def _wordpiece(texts: list[str], special: list[str]) -> Tokenizer:
    """A cased one, which keeps accents: its configuration may say otherwise."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=special, show_progress=False),
    )
    return tokenizer


def _unigram(texts: list[str], special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    unknown = next(token for token in special if "unk" in token.lower())
    tokenizer.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=PIECES, special_tokens=special, unk_token=unknown, show_progress=False
        ),
    )
    return tokenizer


def _fours(texts: list[str], special: list[str]) -> Tokenizer:
    """A unigram one with pieces of four letters, so that no word begins with a space alone."""
    words = {word for text in texts for word in text.split()}
    fours = [word[at : at + 4] for word in words for at in range(4, len(word), 4)]
    fours += [f"▁{word[:4]}" for word in words]
    signs = ["▁", *sorted({sign for word in words for sign in word})]
    pieces = [(piece, -1.0) for piece in fours] + [(sign, -9.0) for sign in signs]
    vocabulary = dict([(token, 0.0) for token in special] + pieces[::-1])
    unknown = next(place for place, token in enumerate(special) if "unk" in token.lower())
    tokenizer = Tokenizer(models.Unigram(list(vocabulary.items()), unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    return tokenizer


def _bytes(texts: list[str], special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=PIECES,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer
