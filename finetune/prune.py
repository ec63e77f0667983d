"""Cuts a multilingual encoder's vocabulary down to one language, or to the characters of scripts.

Most weights of a small multilingual model are embeddings of pieces that one language never uses.
The rows that stay keep their values, so a text whose pieces all stay is encoded as before.
Run as `python -m nerx.finetune.prune pieces|characters`.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerFast

from ..engine.commands.cli import main
from ..engine.errors import ConfigError
from .base import SAFE, load_tokenizer
from .data import read_lines

SPACE = "\u2581"  # SentencePiece's mark of a word's start
CHINESE = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "LATIN", "GREEK", "CYRILLIC")
WIDTHS = ("FULLWIDTH", "HALFWIDTH")  # of letters; other signs always stay
SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def keep_pieces(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], size: int
) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """The unigram tokenizer with the `size` pieces that `texts` use most, and their old ids.

    Special tokens and single characters stay in any case, so that few words become unknown.

    Raises: ConfigError for a tokenizer of another kind or a size too small for what must stay.
    """
    state = _unigram_state(tokenizer)
    vocabulary = state["model"]["vocab"]
    added = {token["id"] for token in state["added_tokens"]}
    kept = {id for id in added if id < len(vocabulary)} | {state["model"]["unk_id"]}
    kept |= {id for id, (piece, _) in enumerate(vocabulary) if len(piece) == 1}
    if len(kept) > size:
        raise ConfigError(f"size is {size}, but {len(kept)} single characters and specials stay")
    encodings = tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
    counts = Counter(id for encoding in encodings for id in encoding.ids)
    wanted = [id for id, _ in counts.most_common() if id not in kept]
    old_ids = sorted({*kept, *wanted[: size - len(kept)]})
    return _with_pieces(tokenizer, state, old_ids), old_ids


def _unigram_state(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "Unigram":
        raise ConfigError(
            f"the tokenizer is of type {state['model']['type']}; expected Unigram (SentencePiece)"
        )
    return state


def _with_pieces(
    tokenizer: PreTrainedTokenizerFast, state: dict[str, Any], old_ids: Sequence[int]
) -> PreTrainedTokenizerFast:
    new_id = {old: new for new, old in enumerate(old_ids)}
    model = state["model"]
    model["vocab"] = [model["vocab"][old] for old in old_ids]
    model["unk_id"] = new_id[model["unk_id"]]
    state["added_tokens"] = [
        {**token, "id": new_id[token["id"]]}
        for token in state["added_tokens"]
        if token["id"] in new_id
    ]
    names = {piece: new for new, (piece, _) in enumerate(model["vocab"])}
    for token in state["post_processor"]["special_tokens"].values():
        token["ids"] = [names[name] for name in token["tokens"]]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        model_max_length=tokenizer.model_max_length,
        **{name: token for name, token in tokenizer.special_tokens_map.items() if token in names},
    )


def keep_characters(
    tokenizer: PreTrainedTokenizerFast, scripts: Sequence[str] = CHINESE
) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A tokenizer of single characters, and for each the old id of its piece.

    Letters stay if the first word of their Unicode name is in `scripts`; digits, punctuation and
    other signs always do.
    """
    vocabulary = [piece for piece, _ in _unigram_state(tokenizer)["model"]["vocab"]]
    # A character within a word comes before the same one at a word's start.
    old_ids: dict[str, int] = {}
    for mark in ("", SPACE):
        for id, piece in enumerate(vocabulary):
            character = piece.removeprefix(mark)
            if piece == mark + character and _stays(character, scripts):
                old_ids.setdefault(character, id)
    theirs = tokenizer.special_tokens_map
    specials = {
        token: tokenizer.convert_tokens_to_ids(theirs[name])
        for name, token in SPECIAL_TOKENS.items()
        if name in theirs  # an encoder may have no mask
    }
    kept = specials | dict(sorted(old_ids.items(), key=lambda item: item[1]))
    return _character_tokenizer(list(kept), tokenizer.model_max_length), list(kept.values())


def _stays(character: str, scripts: Sequence[str]) -> bool:
    if len(character) != 1 or character == SPACE or character.isspace():
        return False
    script = unicodedata.name(character, "?").split()[0].split("-")[0]
    return not character.isalpha() or script in scripts or script in WIDTHS


def _character_tokenizer(vocabulary: list[str], max_length: int) -> PreTrainedTokenizerFast:
    ids = {piece: id for id, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    specials = {name: token for name, token in SPECIAL_TOKENS.items() if token in ids}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=max_length, **specials
    )


def cut_embeddings(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, old_ids: Sequence[int]
) -> None:
    """Leaves the model only the embeddings of `old_ids`, in the order of the new tokenizer."""
    weight = model.get_input_embeddings().weight.detach()[torch.tensor(old_ids)]
    model.set_input_embeddings(
        torch.nn.Embedding.from_pretrained(weight, freeze=False, padding_idx=tokenizer.pad_token_id)
    )
    model.config.vocab_size = len(old_ids)
    model.config.pad_token_id = tokenizer.pad_token_id


def save_pruned(
    base: str, tokenizer: PreTrainedTokenizerFast, old_ids: Sequence[int], output: Path
) -> None:
    """Writes the base with the vocabulary of `tokenizer`, in fp16."""
    model = AutoModel.from_pretrained(base, dtype=torch.float16, **SAFE)
    cut_embeddings(model, tokenizer, old_ids)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


@click.group()
def command() -> None:
    """Cut a multilingual encoder's vocabulary."""


@command.command()
@click.argument("base")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--size", default=22_000, show_default=True, help="Pieces to keep.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path))
def pieces(base: str, texts: tuple[Path, ...], size: int, output: Path) -> None:
    """Keep the pieces of BASE that the files TEXTS use most."""
    lines = [line for path in texts for line in read_lines(path)]
    save_pruned(base, *keep_pieces(load_tokenizer(base), lines, size), output)


@command.command()
@click.argument("base")
@click.option("--scripts", default=",".join(CHINESE), show_default=True, help="Letters to keep.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path))
def characters(base: str, scripts: str, output: Path) -> None:
    """Keep the single characters of BASE, for a model whose words are characters."""
    save_pruned(base, *keep_characters(load_tokenizer(base), scripts.split(",")), output)


if __name__ == "__main__":
    main(command)
