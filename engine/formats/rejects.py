"""Records that were set aside, as lines of JSON with the place and the reason."""

import base64
from typing import Any

from ..types import Record
from .jsonl import dump


def render_reject(file: str, record: Record) -> bytes:
    """The line of a refused record in the file of rejects."""
    row: dict[str, Any] = {
        "file": file,
        "line": record.line,
        "offset": record.offset,
        "reason": record.error,
    }
    try:
        row["raw"] = record.raw.decode()
    except UnicodeDecodeError:
        row["raw_base64"] = base64.b64encode(record.raw).decode()
    return dump(row) + b"\n"
