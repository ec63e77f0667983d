"""The token classification pipeline of transformers, run by nerx: the same calls, the same results.

What a token, a word and a group are, which score each gets and how texts longer than the model's
window are treated is transformers' way, not that of `Tagger`.

Source: transformers 4.57, `transformers/pipelines/token_classification.py`
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import accumulate, chain, compress, pairwise
from operator import not_
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from ..arrays import begins_of
from ..bundles.find import find_bundle
from ..config import LabelConfig
from ..errors import BackendError, ConfigError, InputError
from ..inference.repeats import words_to_read
from ..labels.decoding import softmax
from ..model import Model
from ..types import EncodedBlock, Floats
from .options import PipelineOptions, override
from .tokens import Piece, Token, group, read_tokens, without_overlaps, word_bounds

TASKS = ("token-classification", "ner")
_BLOCK_CHARACTERS = 200_000


def pipeline(
    task: str = "token-classification",
    model: str | Path = "en",
    *,
    device: int | str | None = None,
    backend: str = "auto",
    precision: str = "auto",
    revision: str | None = None,
    **options: Any,
) -> "TokenClassificationPipeline":
    """A drop-in for `transformers.pipeline("token-classification", ...)`.

    model: as for `nerx tag`; a checkpoint is exported at first use, which needs the extra `export`
    device: as transformers or `nerx tag` name it
    precision: "auto" takes the fastest that the model has, "fp32" gives the very labels of torch
    revision: branch, tag or commit of a model on the hub
    options: the fields of `PipelineOptions`

    Raises:
        ConfigError: another task, or an option that there is not.
        BundleError, BackendError: the model cannot be loaded as asked.
    """
    if task not in TASKS:
        raise ConfigError(f"task is {task!r}; nerx knows {' and '.join(TASKS)}")
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    config = LabelConfig(decode="argmax")
    loaded = Model(
        find_bundle(model, revision),
        backend=backend,
        precision=precision,
        device=device or "auto",
        config=config,
    )
    return TokenClassificationPipeline(loaded, override(PipelineOptions(), options))


class TokenClassificationPipeline(AbstractContextManager["TokenClassificationPipeline"]):
    """Labels a text, a list of texts, or a generator of them; `pipeline` makes one."""

    task = "token-classification"

    def __init__(self, model: Model, options: PipelineOptions) -> None:
        self._model = model
        self._options = options
        self._labels = model.bundle.labels
        self._unknown_id = model.encoder.special.unknown
        self._max_length = model.bundle.max_length
        self._room = model.encoder.room
        self._tokenizer = Tokenizer.from_file(str(model.bundle.tokenizer_path()))
        self._tokenizer.no_padding()
        self._lock = threading.Lock()

    def __exit__(self, *_: Any) -> None:
        self._model.__exit__()

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """The entities of a text: a list of dicts; for several texts a list, or iterator, of such.

        Raises:
            ConfigError: an option that there is not.
            InputError: an input that is no text, or with `is_split_into_words` no list of words.
            BackendError: the model failed.
        """
        chosen = override(self._options, options)
        if chosen.is_split_into_words and isinstance(inputs, list):
            several = all(isinstance(item, list) for item in inputs)
            return list(self._stream(inputs if several else [inputs], chosen))
        if isinstance(inputs, GeneratorType):
            return self._stream(inputs, chosen)
        if isinstance(inputs, list):
            return list(self._stream(inputs, chosen))
        if not isinstance(inputs, str) and hasattr(inputs, "__getitem__"):  # a dataset
            return self._stream((inputs[i] for i in range(len(inputs))), chosen)
        [entities] = self._stream([inputs], chosen)
        return entities

    def _stream(
        self, inputs: Iterable[Any], options: PipelineOptions
    ) -> Iterator[list[dict[str, Any]]]:
        for block in _blocks(inputs, options):
            yield from self._label(block, options)

    def _label(self, inputs: list[Any], options: PipelineOptions) -> Iterator[list[dict[str, Any]]]:
        windows = self._encode(inputs, options)
        rows = iter(self._scores([row for rows in windows for row in rows], options))
        places = options.offset_mapping
        if places and isinstance(places[0], list):
            places = places[0]
        for item, encodings in zip(inputs, windows, strict=True):
            begins = None
            if options.is_split_into_words:
                gap = len(options.delimiter)
                begins = [0, *accumulate(len(word) + gap for word in item)]
                item = options.delimiter.join(item)
            found = []
            for encoding in encodings:
                tokens = read_tokens(
                    self._tokenizer, encoding, self._unknown_id, item, begins, places
                )
                found += self._entities(tokens, *next(rows), options)
            yield without_overlaps(found) if len(encodings) > 1 else found

    def _encode(self, inputs: list[Any], options: PipelineOptions) -> list[list[Encoding]]:
        """The windows of each input; without a stride the first one, which the text may exceed."""
        if options.stride is not None and options.stride >= self._room:
            raise ConfigError(f"stride is {options.stride}; expected less than {self._room}")
        with self._lock:  # both of these are a state of the tokenizer
            if hasattr(self._tokenizer.pre_tokenizer, "add_prefix_space"):
                # RoBERTa's reads a text as it is, and given words with a space before each.
                self._tokenizer.pre_tokenizer.add_prefix_space = options.is_split_into_words
            self._tokenizer.enable_truncation(self._max_length, stride=options.stride or 0)
            encodings = self._tokenizer.encode_batch(
                inputs, is_pretokenized=options.is_split_into_words
            )
        overflow = options.stride is not None
        return [[row, *row.overflowing] if overflow else [row] for row in encodings]

    def _scores(
        self, rows: list[Encoding], options: PipelineOptions
    ) -> Iterator[tuple[list[int], Floats, Floats | None]]:
        """For each window: its subwords' labels, their scores and, to average, all probabilities.

        Raises:
            BackendError: the model failed.
        """
        ids = [list(compress(row.ids, map(not_, row.special_tokens_mask))) for row in rows]
        begin = begins_of(ids)
        count = int(begin[-1])
        bounds = np.stack([begin[:-1], begin[1:]] * 2, axis=1)
        nowhere = np.zeros(count, np.int32)  # no word of the text is meant
        pending = self._model.labeller.start(
            EncodedBlock(
                doc_words=begin,
                word_start=nowhere,
                word_end=nowhere,
                word_subwords=np.arange(count + 1, dtype=np.int32),
                word_heads=np.arange(count, dtype=np.int32),
                subword_ids=np.fromiter(chain.from_iterable(ids), np.int32, count),
                windows=bounds[bounds[:, 0] < bounds[:, 1]],
            )
        )
        labels = self._model.labeller.finish(pending)
        for reason in labels.failed.values():
            raise BackendError(f"the model failed: {reason}")
        table = None
        if options.aggregation_strategy == "average":
            table = np.zeros((count, len(self._labels)), np.float32)
            for batch in pending.batches:
                table[batch.words] = softmax(
                    batch.labels.result().logits(np.arange(len(batch.words)))
                )
            table = table[words_to_read(pending.encoded, pending.first)]
        for first, end in pairwise(begin.tolist()):
            part = slice(first, end)
            chances = None if table is None else table[part]
            yield labels.label_ids[part].tolist(), labels.scores[part], chances

    def _entities(
        self,
        tokens: list[Token],
        label_ids: list[int],
        scores: Floats,
        chances: Floats | None,
        options: PipelineOptions,
    ) -> list[dict[str, Any]]:
        """The entities of one window."""
        names = [self._labels[number] for number in label_ids]
        strategy, ignored = options.aggregation_strategy, options.ignore_labels
        if strategy == "none":
            return [
                {
                    "entity": name,
                    "score": score,
                    "index": token.place,
                    "word": token.word,
                    "start": token.start,
                    "end": token.end,
                }
                for token, name, score in zip(tokens, names, scores, strict=True)
                if name not in ignored
            ]
        if strategy == "simple":
            pieces = [
                Piece(name, score, token.word, token.start, token.end)
                for token, name, score in zip(tokens, names, scores, strict=True)
            ]
        else:
            pieces = []
            for first, end in word_bounds(tokens):
                best = first
                if strategy == "max":
                    best = first + int(scores[first:end].argmax())
                name, score = names[best], scores[best]
                if chances is not None:
                    mean = np.nanmean(chances[first:end], axis=0)
                    name, score = self._labels[int(mean.argmax())], mean.max()
                word = self._join([token.word for token in tokens[first:end]])
                pieces.append(Piece(name, score, word, tokens[first].start, tokens[end - 1].end))
        return group(pieces, ignored, self._join)

    def _join(self, tokens: list[str]) -> str:
        decoder = self._tokenizer.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(tokens)


def _blocks(inputs: Iterable[Any], options: PipelineOptions) -> Iterator[list[Any]]:
    block: list[Any] = []
    characters = 0
    for number, item in enumerate(inputs):
        wanted = list if options.is_split_into_words else str
        if not isinstance(item, wanted):
            raise InputError(
                f"input {number} is of type {type(item).__name__}; expected "
                + ("a list of words" if options.is_split_into_words else "a text")
            )
        block.append(item)
        characters += sum(map(len, item)) if options.is_split_into_words else len(item)
        if characters + len(block) > _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block
