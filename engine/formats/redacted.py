"""Redacted documents: what was found is replaced, the rest is kept.

A model misses names, so this lessens what a text tells; it does not make it anonymous.
"""

import hashlib
import hmac
import json
from base64 import b32encode
from collections.abc import Callable
from typing import Any

from ..config import WriteOptions
from ..types import LabelledBlock, Record
from .annotations import entities
from .jsonl import KEYS, dump_exact

BLANK = "█"
_PSEUDONYM_CHARACTERS = 10  # of five bits each

Redact = Callable[[str, str], str]  # a name and its type -> what stands in its place


def _redaction(options: WriteOptions) -> Redact:
    if options.redact in (None, "label"):
        return lambda name, kind: f"[{kind}]"
    if options.redact == "blank":
        return lambda name, kind: BLANK * len(name)
    return lambda name, kind: f"[{kind}_{pseudonym(name, kind, options.redact_key)}]"


def pseudonym(name: str, kind: str, key: bytes) -> str:
    """The same wherever a name is the same but for case and white space; no use without the key."""
    alike = " ".join([kind, *name.casefold().split()])
    digest = hmac.digest(key, alike.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return b32encode(digest).decode().lower()[:_PSEUDONYM_CHARACTERS]


class RedactedWriter:
    """A JSON object a record, with the redacted document and, in `redacted`, what was replaced.

    `start` and `end` are places in the redacted document, `original_start` and `original_end` in
    the original; so the place of all that was kept follows. Other keys of JSONL stay as they are.
    """

    def __init__(self, input_format: str, options: WriteOptions) -> None:
        self._is_jsonl = input_format == "jsonl"
        self._options = options
        self._text_key = options.text_key or "text"
        self._tokens_key = options.tokens_key or "tokens"

    def render(self, block: LabelledBlock) -> bytes:
        redact = _redaction(self._options)
        one_by_one = self._options.redact == "blank"
        rows = []
        for record, found in zip(block.records, entities(block), strict=True):
            if record.tokens is None:
                assert record.text is not None
                document, replaced = redact_text(record.text, found, redact)
                new = {self._text_key: document, "redacted": replaced}
            else:
                tokens, replaced = _redact_tokens(record.tokens, found, redact, one_by_one)
                new = {self._tokens_key: tokens, "redacted": replaced}
            rows.append(dump_exact(self._kept(record) | new) + b"\n")
        return b"".join(rows)

    def _kept(self, record: Record) -> dict[str, Any]:
        """The keys of a JSONL record but its document, and what an earlier run found in it."""
        if not self._is_jsonl:
            return {}
        try:
            value = json.loads(record.raw)
        except RecursionError:  # what cannot be read cannot be cleared of the document
            return {}
        told = {*KEYS, self._text_key, self._tokens_key}
        return {key: item for key, item in value.items() if key not in told}


def redact_text(
    text: str, found: list[dict[str, Any]], redact: Redact
) -> tuple[str, list[dict[str, Any]]]:
    """A text with its entities replaced, and where that was done."""
    pieces, replaced = [], []
    at = length = 0
    for entity in found:
        start, end = entity["start"], entity["end"]
        instead = redact(text[start:end], entity["entity_group"])
        pieces += [text[at:start], instead]
        length += start - at
        replaced.append(_place(entity, length, length + len(instead)))
        at, length = end, length + len(instead)
    return "".join([*pieces, text[at:]]), replaced


def _redact_tokens(
    tokens: list[str], found: list[dict[str, Any]], redact: Redact, one_by_one: bool
) -> tuple[list[str], list[dict[str, Any]]]:
    """Tokens with one in place of each entity, or with `one_by_one` as many as it has."""
    kept: list[str] = []
    replaced = []
    at = 0
    for entity in found:
        start, end, kind = entity["start"], entity["end"], entity["entity_group"]
        names = tokens[start:end] if one_by_one else [" ".join(tokens[start:end])]
        kept += tokens[at:start]
        replaced.append(_place(entity, len(kept), len(kept) + len(names)))
        kept += [redact(name, kind) for name in names]
        at = end
    return kept + tokens[at:], replaced


def _place(entity: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    return {
        "entity_group": entity["entity_group"],
        "score": entity["score"],
        "start": start,
        "end": end,
        "original_start": entity["start"],
        "original_end": entity["end"],
    }
