"""Which format an input has, and what can be written from it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import WriteOptions
from ..errors import ConfigError
from .annotation_tools import AnnotationWriter
from .base import Reader, Writer
from .conll import ConllReader, ConllTagger, ConllWriter, end_sentence
from .conllu import ConlluReader, ConlluTagger
from .jsonl import JsonlReader, JsonlSplicer, JsonlWriter
from .pretty import PrettyWriter
from .redacted import RedactedWriter
from .segmented import WordsWriter
from .text import TextReader

if TYPE_CHECKING:
    from .tables import TableReader

TABLES = ("parquet", "arrow")  # whole files of rows; the others are lines
LINES = ("jsonl", "conll", "conllu", "text")
FORMATS = (*LINES, *TABLES)
TARGETS = ("jsonl", "conll", "prodigy", "doccano", "words", "pretty", "redacted")

_SUFFIXES = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    ".parquet": "parquet",
    **dict.fromkeys((".arrow", ".feather"), "arrow"),
    **dict.fromkeys((".conll", ".iob", ".iob2", ".bio"), "conll"),
    ".conllu": "conllu",
}
# All other formats are JSON Lines.
_OUTPUT_SUFFIXES = {"conll": ".conll", "words": ".txt", "pretty": ".txt"}


def find_format(path: str) -> str | None:
    """The format of an input by its suffix, None where that does not tell; see `sniff`."""
    name = unpacked_name(path)
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def unpacked_name(path: str) -> str:
    """The name, in small letters, that a file has without its compression."""
    return path.lower().removesuffix(".gz").removesuffix(".zst")


def open_format(
    kind: str,
    path: str,
    text_key: str | None = None,
    tokens_key: str | None = None,
    token_column: int | None = None,
) -> Reader:
    """The reader for an input of a kind, one of `LINES`.

    text_key, tokens_key: of JSONL, which with none given has `tokens` or `text`; where one alone
        is given, only that is read
    token_column: of CoNLL, from 1

    Raises:
        ConfigError: an unknown format, or keys or a column for one that has none.
    """
    if token_column is not None and kind != "conll":
        raise ConfigError(f"--token-column is of conll, {path} is read as {kind}")
    if kind == "jsonl":
        if text_key is None and tokens_key is None:
            return JsonlReader()
        return JsonlReader(text_key, tokens_key)
    if text_key is not None or tokens_key is not None:
        raise ConfigError(f"{path} is read as {kind}, which has no keys; add --format jsonl")
    if kind == "conll":
        return ConllReader((token_column or 1) - 1)
    if kind == "conllu":
        return ConlluReader()
    if kind == "text":
        return TextReader()
    raise ConfigError(f"unknown format {kind!r}; expected one of {', '.join(FORMATS)}")


def open_table(
    kind: str,
    text_key: str | None = None,
    tokens_key: str | None = None,
    columns: str | None = None,
) -> "TableReader":
    """The reader for one of `TABLES`.

    columns: those to be carried over, with commas between; None for all

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        from .tables import TableReader
    except ImportError:
        raise ConfigError(
            f"{kind} needs pyarrow: run `pip install 'nerx-engine[parquet]'`"
        ) from None
    carried = columns.split(",") if columns is not None else None
    return TableReader(text_key, tokens_key, carried)


def find_table(to: str | None, input_format: str) -> str | None:
    """Which of `TABLES` the output is, None if it is lines."""
    return input_format if to is None and input_format in TABLES else None


def check_table_output(path: str, tables: Sequence[str | None]) -> None:
    """Refuses to write tables to one output that cannot hold them.

    tables: which kind of table comes of each input, None where it is lines

    Raises:
        ConfigError: the message says what will do.
    """
    kind, *others = set(tables)
    if path == "-":
        raise ConfigError("a table is no stream of lines: name an --output, or say --to jsonl")
    if others or find_format(path) != kind:
        held = " and ".join(sorted(one or "lines" for one in {kind, *others}))
        raise ConfigError(
            f"{path} would hold {held}; name the --output by its kind, such as"
            " labelled.parquet, give an --output-dir, or say --to jsonl"
        )


def find_target(to: str | None, input_format: str) -> str:
    """The format of the output: `to`, else JSONL for text, and for all other that of the input."""
    return to or ("jsonl" if input_format == "text" else input_format)


def output_suffix(to: str | None, input_format: str) -> str | None:
    """The suffix of the output's format; None where it is the input's own."""
    target = find_target(to, input_format)
    return None if target == input_format else _OUTPUT_SUFFIXES.get(target, ".jsonl")


def end_output(to: str | None, input_format: str, output: bytes) -> bytes:
    """The output of an input, or of its last part, with what must end it before another follows."""
    rows = find_target(to, input_format) in ("conll", "conllu")
    return end_sentence(output) if rows else output


def open_writer(
    to: str | None, input_format: str, *, segmentation: bool, options: WriteOptions | None = None
) -> Writer:
    """The writer for `to`, one of `TARGETS` or None, as `find_target` takes it.

    segmentation: whether the model parts text into words

    Raises:
        ConfigError: an unknown target, or one that cannot hold what the model finds.
    """
    target = find_target(to, input_format)
    options = options or WriteOptions()
    if target == "jsonl":
        return JsonlSplicer() if input_format == "jsonl" else JsonlWriter()
    if target == "conll":
        return ConllTagger() if input_format == "conll" else ConllWriter()
    if target == input_format == "conllu":
        return ConlluTagger()
    if target == "pretty":
        return PrettyWriter(colour=options.colour)
    if target == "words":
        if not segmentation:
            raise ConfigError("--to words needs a word segmentation model such as zh")
        return WordsWriter()
    if target not in TARGETS:
        raise ConfigError(f"unknown output {target!r}; expected one of {', '.join(TARGETS)}")
    if segmentation:
        raise ConfigError(f"--to {target} holds entities; for word segmentation use jsonl or words")
    if target == "redacted":
        return RedactedWriter(input_format, options)
    return AnnotationWriter(target, input_format)
