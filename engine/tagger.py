"""The Python API: a model that labels documents."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .bundle import Bundle
from .config import LabelConfig
from .errors import InputError
from .formats.annotations import annotate
from .formats.jsonl import document
from .model import Model
from .types import Record

_BLOCK_CHARACTERS = 200_000


class Tagger(AbstractContextManager["Tagger"]):
    """Labels documents with one model; `Tagger("en")("Angela Merkel visited Paris.")`.

    model: a built-in name ("en", "zh"), or the folder of an exported model
    backend, precision, device: as on the command line; "auto" takes the fastest

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
        config: LabelConfig | None = None,
    ) -> None:
        self.bundle = Bundle.load(model)
        self._model = Model(
            self.bundle, backend=backend, precision=precision, device=device, config=config
        )

    def __exit__(self, *_: Any) -> None:
        self._model.__exit__()

    def __call__(self, document: str | Sequence[str]) -> dict[str, Any]:
        """Labels one document, a text or a list of words; see `pipe`."""
        [labelled] = self.pipe([document])
        return labelled

    def pipe(self, documents: Iterable[str | Sequence[str]]) -> Iterator[dict[str, Any]]:
        """Labels a stream of documents, in order and in bounded memory.

        Each result is what a line of JSONL output holds: `text` and `entities` (for word
        segmentation `words`); for a list of words `tokens`, `tags` and `entities`.

        Raises:
            InputError: a document is neither a text nor a list of words.
        """
        for block in self._model.label(_blocks(documents)):
            for record, found in zip(block.records, annotate(block), strict=True):
                yield document(record) | found


def _blocks(documents: Iterable[str | Sequence[str]]) -> Iterator[list[Record]]:
    block: list[Record] = []
    characters = 0
    for number, item in enumerate(documents):
        record = _record(item, number)
        block.append(record)
        characters += len(record.text or "") + sum(map(len, record.tokens or ()))
        if characters + len(block) > _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _record(item: str | Sequence[str], number: int) -> Record:
    if isinstance(item, str):
        return Record(b"", number + 1, 0, text=item)
    if isinstance(item, Sequence) and all(isinstance(token, str) for token in item):
        return Record(b"", number + 1, 0, tokens=list(item))
    raise InputError(
        f"document {number} is of type {type(item).__name__}; expected a text or a list of words"
    )
