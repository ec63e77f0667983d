"""Which format an input has: as its suffix says or, where that does not tell, its first bytes."""

from ..files.source import Source
from ..formats.registry import find_format
from ..formats.sniff import is_short, refuse_numbers, sniff


def find_kind(path: str, token_column: int | None = None) -> str:
    """The format of a file; see `kind_of`."""
    kind = find_format(path)
    if kind not in (None, "conll"):  # all the suffix can tell: the file need not be opened
        return kind
    with Source(path) as source:
        return kind_of(source, token_column)


def kind_of(source: Source, token_column: int | None = None) -> str:
    """One of `FORMATS`, for an input of which nothing has been read, and nothing then is.

    token_column: of CoNLL, from 1; with none, rows must not begin with numbers

    Raises:
        ConfigError: it is in doubt; the message says how to name it.
    """
    kind = find_format(source.path)
    if kind not in (None, "conll"):
        return kind
    # Of a pipe no more than what tells: who types a line waits for its labels.
    head = source.peek(is_short if source.size is None else lambda _: True)
    if kind is None:
        kind = sniff(source.name, head, piped=source.size is None or source.path == "-")
    if kind == "conll" and token_column is None:
        refuse_numbers(source.name, head)
    return kind
