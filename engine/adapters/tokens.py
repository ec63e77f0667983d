"""Subwords to words to groups as transformers' token classification pipeline puts them together.

Source: transformers 4.57, `transformers/pipelines/token_classification.py`
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Encoding, Tokenizer


class Token(NamedTuple):
    """A subword: as the vocabulary has it, where it stands, and whether it goes on with a word."""

    word: str
    start: int
    end: int
    place: int  # in its window, special tokens counted
    fused: bool


class Piece(NamedTuple):
    """A labelled subword, or word."""

    label: str
    score: np.float32
    word: str
    start: int
    end: int


def read_tokens(
    tokenizer: Tokenizer,
    encoding: Encoding,
    unknown_id: int,
    text: str,
    begins: list[int] | None,
    places: list[tuple[int, int]] | None,
) -> list[Token]:
    """The subwords of a window, without the special tokens.

    begins: for given words, where each begins in the text
    places: where each subword stands, if not where the tokenizer says
    """
    prefixed = bool(getattr(tokenizer.model, "continuing_subword_prefix", None))
    tokens = []
    rows = zip(
        encoding.ids,
        encoding.tokens,
        places or encoding.offsets,
        encoding.word_ids,
        encoding.special_tokens_mask,
        strict=False,  # as many places as are given
    )
    for place, (id, word, (start, end), number, special) in enumerate(rows):
        if special:
            continue
        if begins is not None and number is not None:
            start, end = start + begins[number], end + begins[number]
        said = text[start:end]
        if id == unknown_id:
            tokens.append(Token(said, start, end, place, False))
            continue
        if prefixed:
            fused = len(word) != len(said)
        else:
            fused = start > 0 and " " not in text[start - 1 : start + 1]
        tokens.append(Token(word, start, end, place, fused))
    return tokens


def word_bounds(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """The first subword of each word, and the one after its last."""
    first = 0
    for place in range(1, len(tokens) + 1):
        if place == len(tokens) or not tokens[place].fused:
            yield first, place
            first = place


def group(
    pieces: list[Piece], ignored: Sequence[str], join: Callable[[list[str]], str]
) -> list[dict[str, Any]]:
    """Neighbours of one type as one entity; a B- begins another."""
    groups: list[list[Piece]] = []
    before = None
    for piece in pieces:
        begins, kind = _split(piece.label)
        if kind != before or begins:
            groups.append([])
        groups[-1].append(piece)
        before = kind
    named = ((part[0].label.split("-", 1)[-1], part) for part in groups)
    return [_entity(name, part, join) for name, part in named if name not in ignored]


def _split(label: str) -> tuple[bool, str]:
    """Whether a label begins an entity, and its type."""
    return label.startswith("B-"), label[2:] if label.startswith(("B-", "I-")) else label


def _entity(name: str, pieces: list[Piece], join: Callable[[list[str]], str]) -> dict[str, Any]:
    scores = [piece.score for piece in pieces]
    return {
        "entity_group": name,
        "score": scores[0] if len(scores) == 1 else np.nanmean(scores),
        "word": join([piece.word for piece in pieces]),
        "start": pieces[0].start,
        "end": pieces[-1].end,
    }


def without_overlaps(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities that overlap, found in neighbouring windows, the longest, then the surest."""
    ranked = sorted(entities, key=lambda entity: entity["start"])
    kept = ranked[:1]
    for entity in ranked:  # the first again: the original keeps it twice where it is empty
        if kept[-1]["start"] <= entity["start"] < kept[-1]["end"]:
            if _rank(entity) > _rank(kept[-1]):
                kept[-1] = entity
        else:
            kept.append(entity)
    return kept


def _rank(entity: dict[str, Any]) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
