"""Plain text, a sentence a line, out of corpora that were made for something else.

MASC, as NLTK packs it: https://www.nltk.org/nltk_data/ (words and their parts of speech). Reading
comprehension in SQuAD's JSON, such as DRCD and CMRC 2018: the paragraphs that are asked about.
Run as `python -m nerx.finetune.corpora`.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click

from ..engine.commands.cli import main
from ..engine.errors import InputError

LONGEST = 300  # words of a line of MASC that are kept
SHORTEST = 3  # words, and characters beyond two, of a line that is kept
_SENTENCE = re.compile(r"[^。！？\n]+[。！？]?[」』）]?")  # with what closes behind its stop


def sentences_of(path: Path) -> Iterator[str]:
    """The sentences of a corpus, told by its suffix.

    Raises: InputError for a file of another form.
    """
    try:
        yield from {".zip": _masc, ".json": _paragraphs}[path.suffix](path)
    except (KeyError, TypeError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: no corpus found ({error}); expected MASC as NLTK packs it (.zip), or "
            "paragraphs in SQuAD's JSON (.json)"
        ) from error


def _masc(path: Path) -> Iterator[str]:
    """Its written part: what is spoken there has few names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if "/written/" in name)
        for name in names:
            for line in archive.read(name).decode("utf-8", "replace").splitlines():
                words = [word.rpartition("_")[0] for word in line.split()]
                words = [word for word in words if word]
                if len(words) >= SHORTEST:
                    yield " ".join(words[:LONGEST])


def _paragraphs(path: Path) -> Iterator[str]:
    for article in json.loads(path.read_bytes())["data"]:
        for paragraph in article["paragraphs"]:
            for sentence in _SENTENCE.findall(paragraph["context"]):
                if len(sentence.strip()) >= SHORTEST + 2:
                    yield sentence.strip()


@click.command()
@click.argument("corpora", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path))
def command(corpora: tuple[Path, ...], output: Path) -> None:
    """Write the text of CORPORA, a sentence a line."""
    lines = [sentence + "\n" for path in corpora for sentence in sentences_of(path)]
    output.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(command)
