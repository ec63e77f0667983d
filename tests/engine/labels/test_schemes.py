import numpy as np
import pytest

from nerx.engine.errors import BundleError
from nerx.engine.labels.schemes import Scheme
from nerx.engine.labels.spans import find_spans


@pytest.mark.parametrize(
    ("labels", "name", "types", "segmentation"),
    [
        ("O B-PER I-PER B-LOC I-LOC", "iob2", ("PER", "LOC"), False),
        ("O I-PER B-LOC I-LOC", "iob1", ("PER", "LOC"), False),
        ("O B-X I-X E-X S-X", "iobes", ("X",), False),
        ("O B-X I-X L-X U-X", "bilou", ("X",), False),
        ("B M E S", "bmes", ("",), True),
        ("B I", "iob2", ("",), True),
        ("O B I", "iob2", ("",), False),
        ("B_PER I_PER O", "iob2", ("PER",), False),
        ("O PER LOC", "plain", ("PER", "LOC"), False),
        ("NOUN VERB", "plain", ("NOUN", "VERB"), False),
        ("NOUN VERB X", "plain", ("NOUN", "VERB", "X"), False),
        ("O NAME B_DATE I_D", "plain", ("NAME", "B_DATE", "I_D"), False),
        ("X [CLS] [SEP] O B-PER I-PER B-LOC I-LOC", "iob2", ("PER", "LOC"), False),
        ("PAD O I-PER B-LOC I-LOC <unk>", "iob1", ("PER", "LOC"), False),
        ("PAD X O B-X I-X E-X S-X", "iobes", ("X",), False),
    ],
)
def test_scheme_is_found_from_the_labels(
    labels: str, name: str, types: tuple[str, ...], segmentation: bool
) -> None:
    scheme = Scheme.from_labels(labels.split())
    assert (scheme.name, scheme.types, scheme.segmentation) == (name, types, segmentation)


def allowed(scheme: Scheme, before: str, after: str) -> bool:
    """Whether a label may follow another; an empty string is the document's edge."""
    place = [scheme.labels.index(x) if x else len(scheme.labels) for x in (before, after)]
    return bool(scheme.legal[place[0], place[1]])


def test_iob2_forbids_an_inside_without_its_begin() -> None:
    scheme = Scheme.from_labels("O B-A I-A B-C I-C".split())
    assert allowed(scheme, "B-A", "I-A")
    assert allowed(scheme, "I-A", "")
    assert not allowed(scheme, "O", "I-A")
    assert not allowed(scheme, "B-C", "I-A")
    assert not allowed(scheme, "", "I-A")


def test_strangers_in_a_scheme_count_as_outside() -> None:
    scheme = Scheme.from_labels("X [CLS] O B-A I-A".split())
    sequence = [scheme.labels.index(label) for label in "[CLS] B-A I-A X I-A O".split()]
    spans = find_spans(np.array(sequence, np.int32), np.array([0]), scheme)
    assert (spans.first.tolist(), spans.end.tolist()) == ([1, 4], [3, 5])
    assert allowed(scheme, "I-A", "X")
    assert allowed(scheme, "X", "")
    assert not allowed(scheme, "X", "I-A")


def test_iob1_forbids_a_begin_that_parts_nothing() -> None:
    scheme = Scheme.from_labels("O B-A I-A".split(), "iob1")
    assert allowed(scheme, "I-A", "B-A")
    assert allowed(scheme, "O", "I-A")
    assert not allowed(scheme, "O", "B-A")


@pytest.mark.parametrize("labels", ["B M E S", "B I E S", "B I L U"])
def test_closed_schemes_want_every_span_ended(labels: str) -> None:
    begin, inside, end, single = labels.split()
    scheme = Scheme.from_labels(labels.split())
    assert allowed(scheme, begin, inside)
    assert allowed(scheme, begin, end)
    assert allowed(scheme, end, single)
    assert allowed(scheme, "", begin)
    assert allowed(scheme, single, "")
    assert not allowed(scheme, begin, single)
    assert not allowed(scheme, begin, "")
    assert not allowed(scheme, single, inside)
    assert not allowed(scheme, "", end)


def test_plain_tags_are_all_legal() -> None:
    assert Scheme.from_labels(["NOUN", "VERB"]).legal.all()


@pytest.mark.parametrize("labels", [[], ["O", "O"]])
def test_a_label_list_that_cannot_be_is_refused(labels: list[str]) -> None:
    with pytest.raises(BundleError, match="different names"):
        Scheme.from_labels(labels)


def test_an_unknown_scheme_name_is_refused() -> None:
    with pytest.raises(BundleError, match=r"iobx.*expected one of iob1"):
        Scheme.from_labels(["O"], "iobx")
