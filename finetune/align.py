"""Words and their labels as the encoder's rows: labels on first subwords, long sentences cut."""

from collections.abc import Sequence
from itertools import chain, pairwise

from transformers import PreTrainedTokenizerFast

from ..engine.text.encoding import special_tokens
from ..engine.text.subwords import WordCache

IGNORED = -100  # torch's cross entropy skips these positions


def window_starts(lengths: Sequence[int], room: int) -> list[int]:
    """The first word of each window when words of these subword lengths fill windows of `room`."""
    starts, used = [0], 0
    for word, length in enumerate(lengths):
        if used and used + length > room:
            starts.append(word)
            used = 0
        used += length
    return starts


def encode(
    sentences: Sequence[Sequence[str]],
    labels: Sequence[Sequence[int]],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
) -> tuple[list[dict[str, list[int]]], list[int]]:
    """Rows for the Trainer, and for each row the sentence it is a window of.

    A sentence longer than `max_length` subwords goes on in the next row, cut between words; only a
    single word longer than a whole window loses its tail.
    """
    special = special_tokens(tokenizer.backend_tokenizer, tokenizer.pad_token_id)
    before, after = list(special.before), list(special.after)
    room = max_length - len(before) - len(after)
    cache = WordCache(tokenizer.backend_tokenizer, special.unknown, room)
    ids, begin = (part.tolist() for part in cache.of_words([*chain.from_iterable(sentences)]))
    every = (ids[first:end] for first, end in pairwise(begin))
    rows, sentence_of_row = [], []
    for number, (words, word_labels) in enumerate(zip(sentences, labels, strict=True)):
        pieces = [next(every) for _ in words]
        starts = window_starts([len(piece) for piece in pieces], room)
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
            rows.append(_row(pieces[start:end], word_labels[start:end], before, after))
            sentence_of_row.append(number)
    return rows, sentence_of_row


def _row(
    pieces: Sequence[list[int]], labels: Sequence[int], before: list[int], after: list[int]
) -> dict[str, list[int]]:
    input_ids, aligned = list(before), [IGNORED] * len(before)
    for piece, label in zip(pieces, labels, strict=True):
        input_ids += piece
        aligned += [label] + [IGNORED] * (len(piece) - 1)
    input_ids += after
    aligned += [IGNORED] * len(after)
    return {"input_ids": input_ids, "attention_mask": [1] * len(input_ids), "labels": aligned}
