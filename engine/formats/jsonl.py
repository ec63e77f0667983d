"""JSON Lines: an object a line, which comes out as it went in with the labels added.

The labels are spliced into the bytes of the input line before its closing brace, so that all other
keys, their order, their spacing and their numbers stay as they are.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import orjson

from ..types import Block, LabelledBlock, Record
from .annotations import annotate
from .text import LINE_END, lines, not_utf8, refuse_too_long

KEYS = ("entities", "words", "tags", "text", "tokens", "spans", "label")  # all that is ever added
_QUOTED = {key: f'"{key}"'.encode() for key in KEYS}
_SPACE = b" \t\r\n"  # what JSON takes for white space
_EXAMPLE = 'expected one object a line, such as {"text": "..."}'


class JsonlReader:
    """Objects with a text or a list of tokens under the given keys; tokens win over text."""

    end = LINE_END

    def __init__(self, text_key: str | None = "text", tokens_key: str | None = "tokens") -> None:
        self.text_key = text_key
        self.tokens_key = tokens_key

    def cut(self, buffer: bytes | bytearray) -> int:
        return buffer.rfind(b"\n") + 1

    def parse(self, block: Block) -> list[Record]:
        """The records of all lines that are not blank."""
        if block.too_long:
            return [refuse_too_long(block)]
        records = []
        for record in lines(block):
            try:
                value = orjson.loads(record.raw)
            except ValueError:
                if not record.raw.strip(_SPACE):
                    continue
                value = self._load_hard(record)
            if record.error is None:
                self._take(record, value)
            records.append(record)
        return records

    def _load_hard(self, record: Record) -> Any:
        """Parses what orjson refuses; some of it is JSON to others: lone surrogates, NaN."""
        try:
            return json.loads(record.raw.decode())
        except UnicodeDecodeError as error:
            record.error = not_utf8(error, record.offset)
        except json.JSONDecodeError as error:
            record.error = f"not JSON: {error.msg} at character {error.pos + 1}; {_EXAMPLE}"
        except (ValueError, RecursionError) as error:
            record.error = f"not JSON that can be read ({error}); {_EXAMPLE}"
        return None

    def _take(self, record: Record, value: Any) -> None:
        """Sets the document of a record, or the reason why it has none."""
        if type(value) is not dict:
            record.error = f"found {_kind(value)}; {_EXAMPLE}"
            return
        tokens = value.get(self.tokens_key) if self.tokens_key is not None else None
        if tokens is not None:
            if type(tokens) is not list or not all(type(token) is str for token in tokens):
                record.error = self._bad_tokens(tokens)
            else:
                record.tokens = tokens
            return
        text = value.get(self.text_key) if self.text_key is not None else None
        if type(text) is str:
            record.text = text
        else:
            record.error = self._no_document(value)

    def _bad_tokens(self, tokens: Any) -> str:
        kind = _kind(tokens)
        if type(tokens) is list:
            at = next(i for i, token in enumerate(tokens) if type(token) is not str)
            kind = f"{_kind(tokens[at])} at place {at} of the list"
        return (
            f'"{self.tokens_key}" must be a list of strings, found {kind}; '
            "name the key to label with --tokens-key or --text-key"
        )

    def _no_document(self, value: dict[str, Any]) -> str:
        keys = [key for key in (self.text_key, self.tokens_key) if key is not None]
        for key, wanted in ((self.text_key, "a string"), (self.tokens_key, "a list of strings")):
            if key in value:
                return f'"{key}" must be {wanted}, found {_kind(value[key])}'
        found = ", ".join(json.dumps(key) for key in list(value)[:8]) or "none"
        more = ", ..." if len(value) > 8 else ""
        wanted = " or ".join(f'"{key}"' for key in keys)
        return f"no key {wanted}, found {found}{more}; name the key with --text-key or --tokens-key"


class JsonlSplicer:
    """Adds the labels to JSONL input."""

    def render(self, block: LabelledBlock) -> bytes:
        added, lines = annotate(block), [record.raw for record in block.records]
        clash = _may_have(b"".join(lines), set().union(*added))  # seldom: not asked of every line
        pairs = zip(lines, added, strict=True)
        return b"".join([splice(raw, new, may_clash=clash) for raw, new in pairs])


class JsonlWriter:
    """Writes input of other formats as JSONL."""

    def render(self, block: LabelledBlock) -> bytes:
        rows = zip(block.records, annotate(block), strict=True)
        return b"".join([dump(document(record) | new) + b"\n" for record, new in rows])


def document(record: Record) -> dict[str, Any]:
    """The text or tokens of a record, as JSONL has them."""
    if record.tokens is not None:
        return {"tokens": record.tokens}
    return {"text": record.text}


def splice(raw: bytes, new: dict[str, Any], *, may_clash: bool = True) -> bytes:
    """The line `raw`, an object with a key at least, with `new` added to it or replacing keys.

    may_clash: whether it can have one of the keys already
    """
    content = raw.rstrip(_SPACE)
    space = raw[len(content) :]
    if not space.endswith(b"\n"):
        space += b"\n"
    if may_clash and _may_have(raw, new):
        with suppress(RecursionError):  # too deep to write anew: of two equal keys the last counts
            value = json.loads(raw)
            new = {key: item for key, item in new.items() if key not in value or value[key] != item}
            if not new:
                return content + space
            if not value.keys().isdisjoint(new):
                return dump_exact(value | new) + space
    return b"".join((content[:-1], b",", dump(new)[1:], space))


def dump(value: dict[str, Any]) -> bytes:
    """Compact JSON; escaped where a string holds an unpaired surrogate, which UTF-8 cannot."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return dump_exact(value)


def dump_exact(value: dict[str, Any]) -> bytes:
    """Compact JSON that keeps integers of any size and NaN, as the standard library does."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _may_have(raw: bytes, new: Iterable[str]) -> bool:
    """Whether objects can have one of these keys, which are of small letters.

    So few lines need to be parsed a second time.
    """
    for key in new:
        if _QUOTED[key] in raw:
            return True
    # a key may be spelled with escaped letters
    return b"\\" in raw and (b"\\u006" in raw or b"\\u007" in raw)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {str: "a string", list: "a list", dict: "an object", bool: "true or false"}
    return names.get(type(value), "a number")
