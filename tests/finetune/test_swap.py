"""Other names in gold text: tags, lengths and other words stay."""

from click.testing import CliRunner

from nerx.engine.run.gold import read_documents
from nerx.finetune.swap import command, swapped

TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC"]
DOCUMENTS = [
    [
        (["Ada", "Byron", "saw", "the", "Rhine"], TAGS),
        (["ADA", "BYRON", "in", "OSLO"], ["B-PER", "I-PER", "O", "B-LOC"]),
    ],
    [(["Niels", "Bohr", "left", "the", "Ruhr"], TAGS), (["Niels", "Bohr"], TAGS[:2])],
]


def test_names_are_of_the_type_and_the_same_throughout_a_document():
    for seed in range(9):
        for before, after in zip(DOCUMENTS, swapped(DOCUMENTS, seed), strict=True):
            for (words, tags), (others, theirs) in zip(before, after, strict=True):
                assert theirs == tags
                assert len(others) == len(words)
                for word, other, tag in zip(words, others, tags, strict=True):
                    assert other == word or tag != "O"
                    assert (
                        other.upper()
                        in {
                            "O": {word.upper()},
                            "B-PER": {"ADA", "NIELS"},
                            "I-PER": {"BYRON", "BOHR"},
                            "B-LOC": {"RHINE", "OSLO", "RUHR"},
                        }[tag]
                    )
        assert after[0][0][:2] == after[1][0]  # Niels Bohr, whoever it is now


def test_names_in_capitals_stay_in_capitals():
    for seed in range(9):
        headline = next(swapped(DOCUMENTS, seed))[1][0]
        assert [word for word in headline if not word.isupper()] == ["in"]


def test_copies_are_written_as_conll(tmp_path):
    gold, made = tmp_path / "gold.conll", tmp_path / "made.conll"
    gold.write_text("-DOCSTART- O\n\nAda B-PER\nsaw O\nOslo B-LOC\n\nBob B-PER\n\n")
    CliRunner().invoke(command, [str(gold), "--copies", "2", "-o", str(made)])
    documents = list(read_documents(str(made)))
    assert [[len(words) for words, _ in part] for part in documents] == [[3, 1], [3, 1]]
    assert [tags for part in documents for _, tags in part][1::2] == [["B-PER"], ["B-PER"]]
