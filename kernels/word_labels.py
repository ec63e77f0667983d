"""From hidden states to word labels: only rows that begin a word reach the classifier.

    logits[w] = hidden[first[w]] @ weight.T + bias
    ids[w]    = argmax(logits[w]);  scores[w] = max(softmax(logits[w]))

With pooling, a word's probabilities are those of all its subwords, pooled and scaled to sum to one:

    p[w]      = mean or max over s < pieces[w] of softmax(hidden[first[w] + s] @ weight.T + bias)
    logits[w] = log(p[w] / sum(p[w]))

hidden: (subwords, width); weight: (labels, width), bias: (labels,), at most 64 labels
first, pieces: (words,) int32, a word's first row and how many rows it has
ids: (words,) uint8; scores: (words,) float32; logits: (words, labels) float32; sums are float32.
"""

import torch
from torch import Tensor

from .launch import (
    check_index,
    check_like,
    check_rows,
    jit,
    next_power_of_2,
    runs_kernels,
    tiles,
    tl,
)

MAX_LABELS = 64
POOLINGS = ("first", "mean", "max")

_WORDS = 64  # a program: enough that the weights are read seldom, few enough to fill the chip
_DEPTH = 64  # columns of the hidden states a step
_LEAST = 16  # of each side of a matrix product in Triton
_TINY = 1e-30  # keeps the logarithm of a probability that underflowed finite

Labelled = tuple[Tensor, Tensor, Tensor]


def word_labels_reference(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    first: Tensor,
    pieces: Tensor | None = None,
    *,
    pooling: str = "first",
    upcast: bool = True,
) -> Labelled:
    """The formula in plain torch; `upcast` computes in float32 whatever the type of the tensors."""
    kind = torch.float32 if upcast else hidden.dtype
    rows = first.long()
    if pieces is not None:
        word = torch.repeat_interleave(pieces.long())
        begin = pieces.long().cumsum(0) - pieces
        rows = rows[word] + torch.arange(len(word), device=rows.device) - begin[word]
    logits = torch.nn.functional.linear(hidden[rows].to(kind), weight.to(kind), bias.to(kind))
    probabilities = logits.softmax(-1).float()
    logits = logits.float()
    if pieces is not None:
        how = "mean" if pooling == "mean" else "amax"
        index = word[:, None].expand_as(probabilities)
        pooled = probabilities.new_zeros(len(first), len(weight))
        pooled.scatter_reduce_(0, index, probabilities, how, include_self=False)
        probabilities = pooled / pooled.sum(-1, keepdim=True)
        logits = torch.log(probabilities + _TINY)
    if not len(first):
        return first.to(torch.uint8), logits.new_empty(0), logits
    scores, ids = probabilities.max(-1)
    return ids.to(torch.uint8), scores, logits


@jit
def _logits_of_rows(
    hidden,
    weight,
    bias,
    row,
    live,
    width,
    labels,
    WORDS: tl.constexpr,  # noqa: N803
    LABELS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
):
    """Logits of some rows, minus infinity for labels past the last: (WORDS, LABELS) float32."""
    label = tl.arange(0, LABELS)
    logits = tl.zeros((WORDS, LABELS), tl.float32)
    for begin in range(0, width, DEPTH):
        depth = begin + tl.arange(0, DEPTH)
        inside = depth < width
        rows = tl.load(
            hidden + row.to(tl.int64)[:, None] * width + depth[None, :],
            mask=live[:, None] & inside[None, :],
            other=0,
        )
        columns = tl.load(
            weight + label[None, :] * width + depth[:, None],
            mask=(label < labels)[None, :] & inside[:, None],
            other=0,
        )
        logits = tl.dot(rows, columns, logits, input_precision="ieee")
    shift = tl.load(bias + label, mask=label < labels, other=0).to(tl.float32)
    return tl.where((label < labels)[None, :], logits + shift[None, :], float("-inf"))


@jit
def _word_labels_kernel(
    hidden,
    weight,
    bias,
    first,
    pieces,
    ids,
    scores,
    word_logits,
    words,
    width,
    labels,
    POOLED: tl.constexpr,  # noqa: N803
    MEAN: tl.constexpr,  # noqa: N803
    LOGITS: tl.constexpr,  # noqa: N803
    WORDS: tl.constexpr,  # noqa: N803
    LABELS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
    TINY: tl.constexpr,  # noqa: N803
):
    word = tl.program_id(0) * WORDS + tl.arange(0, WORDS)
    live = word < words
    row = tl.load(first + word, mask=live, other=0)
    if POOLED:
        count = tl.load(pieces + word, mask=live, other=0)
        p = tl.zeros((WORDS, LABELS), tl.float32)
        for piece in range(tl.max(count, axis=0)):
            here = live & (piece < count)
            logits = _logits_of_rows(
                hidden, weight, bias, row + piece, here, width, labels, WORDS, LABELS, DEPTH
            )
            powers = tl.exp(logits - tl.max(logits, axis=1)[:, None])
            powers /= tl.sum(powers, axis=1)[:, None]
            powers = tl.where(here[:, None], powers, 0.0)
            if MEAN:  # up to a factor, which the scaling below takes out
                p += powers
            else:
                p = tl.maximum(p, powers, propagate_nan=tl.PropagateNan.ALL)
    else:
        logits = _logits_of_rows(
            hidden, weight, bias, row, live, width, labels, WORDS, LABELS, DEPTH
        )
        p = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    total = tl.where(live, tl.sum(p, axis=1), 1.0)
    p /= total[:, None]
    number = total == total  # what is none stays none in the score, whatever a maximum makes of it
    shown = tl.where(number[:, None], p, 0.0)
    tl.store(ids + word, tl.argmax(shown, axis=1).to(tl.uint8), mask=live)
    tl.store(scores + word, tl.where(number, tl.max(shown, axis=1), total), mask=live)
    if LOGITS:
        label = tl.arange(0, LABELS)
        value = tl.log(p + TINY) if POOLED else logits
        tl.store(
            word_logits + word.to(tl.int64)[:, None] * labels + label[None, :],
            value,
            mask=live[:, None] & (label < labels)[None, :],
        )


def word_labels(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    first: Tensor,
    pieces: Tensor | None = None,
    *,
    pooling: str = "first",
    with_logits: bool = True,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The formula above: ids, scores, and logits if they are wanted.

    pooling: one of `POOLINGS`; `pieces` belongs to all but "first"
    The caller sees to it that the rows named lie inside `hidden`, at least one a word.

    Raises:
        ValueError: a shape, type or device is not as above, or there are too many labels.
    """
    check_rows("hidden", hidden)
    labels = len(weight)
    if not 1 <= labels <= MAX_LABELS:
        raise ValueError(f"the classifier has {labels} labels; expected 1 to {MAX_LABELS}")
    check_like(hidden, (labels, hidden.shape[1]), weight=weight)
    check_like(hidden, (labels,), bias=bias)
    check_index(hidden.device, first.numel(), first=first)
    if pooling not in POOLINGS or (pooling == "first") != (pieces is None):
        raise ValueError(f"pooling is {pooling!r} {'without' if pieces is None else 'with'} pieces")
    if pieces is not None:
        check_index(hidden.device, first.numel(), pieces=pieces)
    if not runs_kernels(hidden) or not len(first):
        found = word_labels_reference(hidden, weight, bias, first, pieces, pooling=pooling)
        return found if with_logits else (*found[:2], None)
    words = len(first)
    ids = torch.empty(words, dtype=torch.uint8, device=hidden.device)
    scores = torch.empty(words, dtype=torch.float32, device=hidden.device)
    logits = scores.new_empty(words, labels) if with_logits else None
    _word_labels_kernel[(tiles(words, _WORDS),)](
        hidden,
        weight,
        bias,
        first,
        first if pieces is None else pieces,
        ids,
        scores,
        scores if logits is None else logits,
        words,
        hidden.shape[1],
        labels,
        POOLED=pieces is not None,
        MEAN=pooling == "mean",
        LOGITS=with_logits,
        WORDS=_WORDS,
        LABELS=max(_LEAST, next_power_of_2(labels)),
        DEPTH=_DEPTH,
        TINY=_TINY,
    )
    return ids, scores, logits
