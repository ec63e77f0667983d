"""A bundle that is ready to label: its encoder, its label scheme, and a backend that runs it."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from tokenizers import Tokenizer

from .backends.select import open_backend
from .bundle import Bundle
from .config import LabelConfig
from .errors import BackendError
from .inference.labeller import Labeller
from .labels.schemes import Scheme
from .labels.spans import label_records
from .text.encoding import Encoder
from .types import EncodedBlock, LabelledBlock, Record


class Model(AbstractContextManager["Model"]):
    """A loaded model.

    Raises:
        BundleError, BackendError, ConfigError: it cannot be loaded as asked.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        backend: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        config: LabelConfig | None = None,
    ) -> None:
        self.bundle = bundle
        self.config = config or LabelConfig()
        self.encoder = open_encoder(bundle, self.config.overlap)
        self.scheme = Scheme.from_labels(bundle.labels, bundle.scheme)
        if self.scheme.segmentation:
            self.config.check_segmentation()
        self.backend = open_backend(bundle, backend, precision, device, threads)
        self.labeller = Labeller(self.backend, self.encoder.special, self.scheme, self.config)

    def __exit__(self, *_: Any) -> None:
        self.labeller.__exit__()

    def label(self, blocks: Iterable[list[Record]]) -> Iterator[LabelledBlock]:
        """Labels blocks of records, in order and in this process.

        Raises:
            BackendError: the model failed on a document; it is named by its number in the stream.
        """
        waiting: deque[tuple[list[Record], EncodedBlock]] = deque()

        def encoded() -> Iterator[EncodedBlock]:
            for records in blocks:
                waiting.append((records, self.encoder.encode(records)))
                yield waiting[-1][1]

        before = 0  # documents of the blocks before
        for labels in self.labeller.label(encoded()):
            for document, reason in labels.failed.items():
                raise BackendError(f"the model failed on document {before + document}: {reason}")
            records, encoded_block = waiting.popleft()
            yield label_records(records, encoded_block, labels, self.scheme, self.config.min_score)
            before += len(records)


def open_encoder(bundle: Bundle, overlap: int) -> Encoder:
    """The encoder of a bundle.

    Raises:
        BundleError: its tokenizer is missing, altered or of no use.
    """
    return Encoder(
        Tokenizer.from_file(str(bundle.tokenizer_path())),
        unit=bundle.unit,
        max_length=bundle.max_length,
        overlap=overlap,
        pad_id=bundle.pad_id,
        title_case=bundle.title_case,
    )
