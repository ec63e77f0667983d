"""Text out of other people's corpora, a sentence a line."""

import json
import zipfile

import pytest
from click.testing import CliRunner

from nerx.finetune.corpora import command


def text_of(*corpora, folder):
    output = folder / "text.txt"
    words = [*map(str, corpora), "-o", str(output)]
    CliRunner().invoke(command, words, catch_exceptions=False)
    return output.read_text()


def test_masc_gives_the_words_of_its_written_part(tmp_path):
    path = tmp_path / "masc_tagged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("masc_tagged/written/b.txt", "Oslo_NNP is_VBZ a_b_NN ._.\n\nNo_UH ._.\n")
        archive.writestr("masc_tagged/written/a.txt", "We_PRP saw_VBD it_PRP\n")
        archive.writestr("masc_tagged/spoken/c.txt", "Um_UH um_UH um_UH\n")
    assert text_of(path, folder=tmp_path) == "We saw it\nOslo is a_b .\n"


def test_paragraphs_are_cut_behind_their_stops(tmp_path):
    path = tmp_path / "drcd.json"
    contexts = ["他說：「我愛北京。」真的！好嗎？", "沒有句號的一段"]
    paragraphs = [{"context": context, "qas": []} for context in contexts]
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    expected = "他說：「我愛北京。」\n沒有句號的一段\n"  # short ones are left out
    assert text_of(path, folder=tmp_path) == expected


@pytest.mark.parametrize("name", ["text.txt", "none.json", "empty.json", "no.zip"])
def test_what_is_no_corpus_is_named(name, tmp_path):
    path = tmp_path / name
    if name != "none.json":
        path.write_text("[]")
    with pytest.raises(Exception, match=f"{name}: no corpus found .*; expected MASC"):
        text_of(path, folder=tmp_path)
