"""A labelled document that a notebook shows as text with its entities in colour."""

from html import escape
from typing import Any

from .page import pieces
from .records import show

_COLOURS = ("#cfe5ff", "#ffe0c2", "#d3f0d6", "#ecdcff", "#ffd9e1", "#cdf1f1", "#f6edb5", "#e3e6ea")
_MARK = "padding:.1em .3em;border-radius:.3em;color:#111;background:"


class Labelled(dict[str, Any]):
    """A plain dict, but for how notebooks show it."""

    def _repr_html_(self) -> str:
        record = show(self, 1, "document")
        types = sorted({span.type for span in record.spans})
        html = []
        for text, span, _ in pieces(record):
            if span is None:
                html.append(escape(text))
                continue
            label = f" <b style='font-size:.7em'>{escape(span.type)}</b>" if span.type else ""
            colour = _COLOURS[types.index(span.type) % len(_COLOURS)]
            html.append(f"<span style='{_MARK}{colour}'>{escape(text)}{label}</span>")
        joint = " " if types == [""] else ""  # words of segmented text are set apart
        return (
            f"<div dir='auto' style='line-height:2;white-space:pre-wrap'>{joint.join(html)}</div>"
        )
