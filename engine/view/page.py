"""The page: one HTML file that needs nothing else, and runs no script but its own.

Everything from the data goes through jinja2's escaping, and a content security policy names the
hashes of the page's own style and script, so that a browser runs and fetches nothing besides.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from typing import Any

from ..errors import ConfigError
from ..formats.text import utf8
from .records import Shown, Span, cut

_COLOURS = 8  # in page.css; the last is for all types that have no other
_PAGE_BYTES = 1_800_000
_MARK_BYTES = 60  # what an entity adds to its text
_RECORD_BYTES = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordList:
    """Some records, under a heading."""

    id: str
    title: str
    records: list[Shown]


def open_environment() -> Any:
    """What fills in the templates of this package, and escapes what it puts there.

    Raises:
        ConfigError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader
    except ImportError:
        raise ConfigError(
            "pages are made with jinja2: run `pip install 'nerx-engine[view]'`"
        ) from None
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"pieces": pieces, "short": short, "number": number}
    return environment


def render(context: dict[str, Any], types: list[str], lists: list[RecordList]) -> bytes:
    """The page in UTF-8.

    context: what `templates/page.html` shows beside records
    types: those that get a colour, best first

    Raises:
        ConfigError: jinja2 is not installed.
    """
    environment = open_environment()
    from markupsafe import Markup

    style, script = (_asset(name) for name in ("page.css", "page.js"))
    html = environment.get_template("page.html").render(
        context,
        lists=fit(lists),
        style=Markup(style),
        script=Markup(script),
        colours={name: place for place, name in enumerate(sorted(types[: _COLOURS - 1]))},
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
    )
    return utf8(html)


def _asset(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def number(value: int | str) -> str:
    """A count, its thousands parted."""
    return value if isinstance(value, str) else f"{value:,}"


def short(score: float) -> str:
    """A score as two digits after the point."""
    return f"{score:.2f}".removeprefix("0")


def pieces(record: Shown, second: bool = False) -> Iterator[tuple[str, Span | None, bool]]:
    """The text of a record in pieces: outside all spans, or a span, and whether it is disputed.

    A span that begins within the one before it is left out.
    """
    spans = (record.others if second else record.spans) or []
    against = None
    if record.others is not None:
        against = {span[:3] for span in (record.spans if second else record.others)}
    at = 0
    for span in spans:
        if span.start < at:
            continue
        if at < span.start:
            yield record.text[at : span.start], None, False
        disputed = against is not None and span[:3] not in against
        yield record.text[span.start : span.end], span, disputed
        at = span.end
    if at < len(record.text):
        yield record.text[at:], None, False


def fit(lists: list[RecordList]) -> list[RecordList]:
    """The lists with their longest records cut until the page has room for all."""
    most = max((len(record.text) for part in lists for record in part.records), default=0)
    while sum(_bytes(record) for part in lists for record in part.records) > _PAGE_BYTES:
        most = most * 3 // 4
        lists = [replace(part, records=[cut(row, most) for row in part.records]) for part in lists]
    return lists


def _bytes(record: Shown) -> int:
    """About how long a record is as HTML."""
    text = len(utf8(escape(record.text)))
    spans = len(record.spans) * _MARK_BYTES
    if record.others is not None:
        text, spans = 2 * text, spans + len(record.others) * _MARK_BYTES
    return text + spans + _RECORD_BYTES
