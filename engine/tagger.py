"""The Python API: a model that labels documents."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .bundles.find import find_bundle
from .config import LabelConfig
from .errors import ConfigError, InputError
from .formats.annotations import annotate
from .formats.jsonl import document
from .model import Model
from .types import Record
from .view.notebook import Labelled

_CHARACTERS = 64  # of text, for each document that may be read ahead


class Tagger(AbstractContextManager["Tagger"]):
    """Labels documents with one model; `Tagger("en")("Angela Merkel visited Paris.")`.

    model: a built-in name ("en", "zh-fast"), the folder of a bundle or a checkpoint, or a hub id;
        a checkpoint is exported once, into the user's cache, which needs the extra `export`
    backend, precision, device: as on the command line; "auto" takes the fastest
    revision: branch, tag or commit of a model on the hub

    Raises:
        BundleError, BackendError, ConfigError: the model cannot be loaded as asked.
    """

    def __init__(
        self,
        model: str | Path = "en",
        *,
        backend: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        config: LabelConfig | None = None,
    ) -> None:
        self._closed = False
        self.bundle = find_bundle(model, revision)
        self._model = Model(
            self.bundle, backend=backend, precision=precision, device=device, config=config
        )

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads that run the model; nothing can be labelled afterwards."""
        self._closed = True
        self._model.__exit__()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the model, in the order of their ids."""
        return self._model.scheme.labels

    @property
    def backend(self) -> str:
        """What runs the model, as `--backend` names it."""
        return self._model.backend.name

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0"."""
        return self._model.backend.device

    def __call__(
        self,
        documents: str | Sequence[str | Sequence[str]],
        *,
        is_split_into_words: bool = False,
    ) -> Any:
        """Labels one document, or each of a list of them; threads may do so at once.

        is_split_into_words: whether a document is a list of words, not a text
        Returns the result of the document, or a list of results; see `pipe`.
        """
        if _is_list(documents, is_split_into_words):
            return list(self.pipe(documents, is_split_into_words=is_split_into_words))
        one: Any = [documents]
        [labelled] = self.pipe(one, is_split_into_words=is_split_into_words)
        return labelled

    def pipe(
        self,
        documents: Iterable[str | Sequence[str]],
        *,
        is_split_into_words: bool = False,
        read_ahead: int = 1000,
    ) -> Iterator[dict[str, Any]]:
        """Labels a stream of documents, in order and in bounded memory.

        Each result is what a line of JSONL output holds: `text` and `entities` (for word
        segmentation `words`); for a list of words `tokens`, `tags` and `entities`.

        is_split_into_words: whether a document is a list of words, not a text
        read_ahead: documents that are drawn before the first of them comes out, at most; fewer
            where they are longer than 64 characters. 1 answers each one before it draws the next,
            as a live source needs; more is faster on a GPU.

        Raises:
            InputError: a document is not what was announced.
        """
        if self._closed:
            raise ConfigError("this tagger is closed; make another one")
        # One block is with the model while the next one is drawn.
        blocks = _blocks(documents, is_split_into_words, max(read_ahead // 2, 1))
        streams = ([block] for block in blocks) if read_ahead < 2 else [blocks]
        for stream in streams:
            for block in self._model.label(stream):
                for record, found in zip(block.records, annotate(block), strict=True):
                    yield Labelled(document(record) | found)


def _is_list(value: Any, is_split_into_words: bool) -> bool:
    """Whether a value is a list of documents, not one of them."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return False
    return not (is_split_into_words and _are_words(value))


def _blocks(
    documents: Iterable[str | Sequence[str]], is_split_into_words: bool, most: int
) -> Iterator[list[Record]]:
    """Runs of at most `most` documents, of fewer where they are long."""
    block: list[Record] = []
    characters = 0
    for number, item in enumerate(documents):
        record = _record(item, number, is_split_into_words)
        block.append(record)
        characters += len(record.text or "") + sum(map(len, record.tokens or ()))
        if len(block) == most or characters >= most * _CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _record(item: Any, number: int, is_split_into_words: bool) -> Record:
    if is_split_into_words:
        if not isinstance(item, str) and _are_words(item):
            return Record(b"", number + 1, 0, tokens=list(item))
        expected = "a list of words"
    else:
        if isinstance(item, str):
            return Record(b"", number + 1, 0, text=item)
        expected = "a text (with is_split_into_words=True, a list of words)"
    raise InputError(f"document {number} is of type {type(item).__name__}; expected {expected}")


def _are_words(value: Any) -> bool:
    return isinstance(value, Sequence) and all(isinstance(word, str) for word in value)
