"""Gold files, or a corpus of the hub, as words and the label ids of a recipe."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..engine.errors import ConfigError, InputError
from ..engine.labels.schemes import Scheme
from ..engine.run.evaluation import gold_labels
from ..engine.run.gold import Sentence, read_documents

HUB_CORPORA = {"conll2003": "eriktks/conll2003"}
HUB_SPLITS = {"train": "train", "dev": "validation"}
MAX_SLIPS = 0.01  # share of entities that may open against the scheme of their file


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Sentences as words, each word with the id of its label."""

    words: list[list[str]]
    labels: list[list[int]]
    document_starts: list[int]  # the first sentence of each document
    sources: dict[str, int]  # sentences of each source, in order
    sha256: dict[str, str]  # of each local file

    @classmethod
    def empty(cls) -> Self:
        return cls(words=[], labels=[], document_starts=[], sources={}, sha256={})

    def add(self, source: str, documents: Iterable[Sequence[tuple[list[str], list[int]]]]) -> None:
        """Appends the documents of a source, each a run of sentences: words and label ids."""
        before = len(self.words)
        for document in documents:
            self.document_starts.append(len(self.words))
            self.words.extend(words for words, _ in document)
            self.labels.extend(labels for _, labels in document)
        self.sources[source] = len(self.words) - before
        if Path(source).exists():
            self.sha256[source] = hashlib.sha256(Path(source).read_bytes()).hexdigest()


def read_corpus(sources: Sequence[str], split: str, labels: Sequence[str]) -> Corpus:
    """The sentences of all sources (files, or names in HUB_CORPORA), in the order given.

    Gold labels of another scheme, as IOB1, are spelled in that of `labels`.

    Raises: InputError for a source that cannot be read, has no sentence, a broken line, tags of
    two schemes, or a type that `labels` lack; ConfigError for one that is given twice.
    """
    scheme = Scheme.from_labels(labels)
    corpus = Corpus.empty()
    for source in sources:
        if source in corpus.sources:
            raise ConfigError(f"{source} is given twice as {split} data; expected each once")
        documents = list(_documents(source, split))
        if not documents:
            raise InputError(f"{source}: no sentence found; expected one at least")
        label_ids = _label_ids(source, [tags for part in documents for _, tags in part], scheme)
        corpus.add(source, [[(words, next(label_ids)) for words, _ in part] for part in documents])
    return corpus


def _documents(source: str, split: str) -> Iterator[list[Sentence]]:
    if source in HUB_CORPORA and not Path(source).exists():
        yield list(_hub_sentences(source, split))
    else:
        yield from read_documents(source)


def read_labels(sources: Sequence[str]) -> tuple[str, ...]:
    """The labels that gold files use, O first if they have it; IOB1 becomes IOB2.

    Raises: InputError as `read_corpus`.
    """
    documents = (part for source in sources for part in _documents(source, "train"))
    tags = {tag for document in documents for _, theirs in document for tag in theirs}
    if len(tags) < 2:
        raise InputError(
            f"{', '.join(sources)}: labels are {', '.join(tags) or 'missing'}; expected two or more"
        )
    scheme = Scheme.from_labels(sorted(tags))
    inside = sorted(tags - {"O"})
    if scheme.name in ("iob1", "iob2"):
        inside = [f"{role}-{kind}".strip("-") for kind in sorted(scheme.types) for role in "BI"]
    return (*sorted(tags & {"O"}), *inside)


def read_lines(path: Path) -> list[str]:
    """The lines of a text without labels; they end at line feeds alone.

    Raises: InputError for a file that cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}; expected a UTF-8 text file") from error


def _label_ids(source: str, tags: list[list[str]], scheme: Scheme) -> Iterator[list[int]]:
    _refuse_two_schemes(source, tags)
    try:
        label_ids = iter(gold_labels(tags, scheme).tolist())
    except InputError as error:
        raise InputError(f"{source}: {error} (give other labels by --set labels=A,B)") from error
    return ([next(label_ids) for _ in sentence] for sentence in tags)


def _refuse_two_schemes(source: str, tags: list[list[str]]) -> None:
    """Raises InputError where I- and B- both open entities; CoNLL-2003 has two slips in 23,499."""
    iob1, iob2 = (sum(_openings(sentence, prefix) for sentence in tags) for prefix in "IB")
    if min(iob1, iob2) > MAX_SLIPS * (iob1 + iob2):
        raise InputError(
            f"{source}: {iob1} entities open with I- (IOB1), but {iob2} with B- where IOB1 has I- "
            "(IOB2); expected one scheme in a file"
        )


def _openings(tags: list[str], prefix: str) -> int:
    """How many entities open with that prefix where none of their type was open."""
    return sum(
        tag.startswith(prefix + "-") and previous[2:] != tag[2:]
        for previous, tag in zip(["O", *tags], tags, strict=False)
    )


def _hub_sentences(name: str, split: str) -> Iterator[Sentence]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError(
            f"{name} is not a file, and reading it from the hub needs: pip install datasets"
        ) from error
    try:
        # This revision holds the data as Parquet files: no code of the repository runs.
        rows = load_dataset(
            HUB_CORPORA[name], revision="refs/convert/parquet", split=HUB_SPLITS[split]
        )
    except OSError as error:  # offline, or the hub answered with an error
        raise InputError(
            f"{name} could not be read from the hub ({error}); give a local file instead"
        ) from error
    tag_names = rows.features["ner_tags"].feature.names
    for row in rows:
        if row["tokens"]:
            yield row["tokens"], [tag_names[tag] for tag in row["ner_tags"]]
