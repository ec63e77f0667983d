import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.formats.rejects import render_reject
from nerx.engine.types import Record


@given(raw=st.binary(max_size=20), reason=st.text(max_size=9))
def test_a_reject_holds_all_of_its_record(raw: bytes, reason: str) -> None:
    line = render_reject("in/a.jsonl", Record(raw, 7, 99, error=reason))
    assert line.count(b"\n") == 1
    row = json.loads(line)
    kept = row.pop("raw").encode() if "raw" in row else base64.b64decode(row.pop("raw_base64"))
    assert kept == raw
    assert row == {"file": "in/a.jsonl", "line": 7, "offset": 99, "reason": reason}
