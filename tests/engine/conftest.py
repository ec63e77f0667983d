"""Models and mixed inputs for the tests of the engine."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from nerx.engine.bundle import Bundle
from nerx.engine.model import Model

from ..tiny_bundle import write_tiny_bundle

PLACES = ("Paris", "Berlin", "Seoul", "Lima", "Oslo")


@pytest.fixture(scope="session")
def ner_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small named-entity model."""
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "ner")


@pytest.fixture(scope="session")
def ner_model(ner_folder: Path) -> Iterator[Model]:
    with Model(Bundle.load(ner_folder)) as model:
        yield model


def sentence(number: int) -> str:
    return " ".join(PLACES[(number * k) % 5] + "x" * (number % k) for k in range(1, 4 + number % 9))


def write_mixed_inputs(folder: Path, records: int = 120) -> tuple[list[str], int, int]:
    """Inputs of all formats and compressions, with bad records.

    Returns their paths, the number of their records, and how many of them are bad.
    """
    lines = [json.dumps({"id": n, "text": sentence(n)}).encode() for n in range(records)]
    lines[5], lines[records // 2] = b"{not json", b'{"id": 1, "text": "\xff"}'
    conll = [
        "".join(f"{word} X\n" for word in sentence(n).split()).encode() for n in range(records)
    ]
    conll[7] += b"Paris X Y\n"
    texts = [sentence(n).encode() for n in range(records)]
    texts[-1] = b"\xfe"
    files = {
        "a.jsonl": b"\n".join(lines) + b"\n",
        "b.jsonl.gz": gzip.compress(b"\n".join(lines[:40]) + b"\n") + gzip.compress(lines[41]),
        "c.conll.zst": zstandard.compress(b"\n".join(conll)),
        "d.txt": b"\xef\xbb\xbf" + b"\r\n".join(texts),
        "e.txt": b"",
        "f.conll": b"\n".join(conll[:10]),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    paths = [str(folder / name) for name in files]
    return paths, 3 * records + 41 + 10, 2 + 1 + 1 + 1 + 1
