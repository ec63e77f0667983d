"""Output for annotation tools: Prodigy (tokens and spans) and doccano (offsets and labels).

Other keys of a JSONL record are kept. Given tokens become a text, joined by one space.
"""

from typing import Any

from ..types import LabelledBlock
from .annotations import Document, documents
from .jsonl import dump, splice


class AnnotationWriter:
    """A record a line: for "prodigy" with `text`, `tokens` and `spans`, for "doccano" with `text`
    and `label`, a list of [start, end, type].
    """

    def __init__(self, tool: str, input_format: str) -> None:
        self._describe = _prodigy if tool == "prodigy" else _doccano
        self._splices = input_format == "jsonl"

    def render(self, block: LabelledBlock) -> bytes:
        found = ((doc.record.raw, self._describe(doc)) for doc in documents(block))
        if self._splices:
            return b"".join([splice(raw, new) for raw, new in found])
        return b"".join([dump(new) + b"\n" for _, new in found])


def _prodigy(doc: Document) -> dict[str, Any]:
    tokens = [
        {"text": doc.text[start:end], "start": start, "end": end, "id": number}
        for number, (start, end) in enumerate(zip(doc.starts, doc.ends, strict=True))
    ]
    spans = [
        {
            "start": doc.starts[first],
            "end": doc.ends[last],
            "token_start": first,
            "token_end": last,
            "label": kind,
        }
        for first, last, kind in doc.spans
    ]
    return {"text": doc.text, "tokens": tokens, "spans": spans}


def _doccano(doc: Document) -> dict[str, Any]:
    label = [[doc.starts[first], doc.ends[last], kind] for first, last, kind in doc.spans]
    return {"text": doc.text, "label": label}
