"""What a page shows, counted by hand or by the plainest code."""

import json
import random
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from nerx.engine.errors import InputError
from nerx.engine.view.records import show
from nerx.engine.view.tally import Tally, bound, tally_block
from nerx.engine.view.view import view, view_both

from .conftest import entity, write

pytest.importorskip("jinja2", reason="needs jinja2")


class _Page(HTMLParser):
    """The words of a page's records as they are read, with every entity in brackets."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self.figures: dict[str, str] = {}
        self._open: list[str] = []
        self._name = ""
        self.feed(html.decode())

    def handle_starttag(self, tag, attrs):
        self._open.append(tag)
        if tag == "p" and "article" in self._open:
            self.paragraphs.append("")
        elif tag == "mark":
            self.paragraphs[-1] += "["
        elif tag == "b":
            self.paragraphs[-1] += "|"

    def handle_endtag(self, tag):
        if tag == "mark":
            self.paragraphs[-1] += "]"
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if "article" in self._open and "p" in self._open and "i" not in self._open:
            self.paragraphs[-1] += data
        elif "dt" in self._open:
            self._name = data
        elif "dd" in self._open:
            self.figures[self._name] = data


def test_entities_stand_where_they_were_found(tmp_path):
    text = "Zoë 👩‍🚀 flew from Paris to שלום עולם & <Oslo>."
    record = {
        "text": text,
        "entities": [entity(text, word, "LOC") for word in ("Oslo", "Paris", "שלום עולם")],
    }
    page = _Page(view(write(tmp_path / "a.jsonl", [record])))
    expected = "Zoë 👩‍🚀 flew from [Paris|LOC] to [שלום עולם|LOC] & <[Oslo|LOC]>."
    assert page.paragraphs == [expected] * 3  # in the sample, as doubtful, as long


def test_what_is_beyond_the_limits_is_not_kept():
    records = [{"text": "a" * n, "entities": []} for n in range(1, 500)]
    kept = tally_block(_block(records, 1), "f", 0)
    more = tally_block(_block(records, 500), "f", 0, kept.limits())
    assert len(kept.sample) == 300
    assert 0 < len(more.sample) < 300
    assert not [row for row in more.longest if len(row.record.text) < 490]


def test_the_rarest_of_very_many_names_are_forgotten():
    often = {f"n{n}": 3 for n in range(10)}
    names = {"A": Counter(dict.fromkeys(map(str, range(150_000)), 1) | often)}
    assert not bound(names)
    names["B"] = Counter(dict.fromkeys(map(str, range(60_000)), 2))
    assert bound(names)
    assert names["A"] == often
    assert len(names["B"]) == 50_000 - len(often)


def test_given_tokens_are_joined(tmp_path):
    entities = [{"entity_group": "PER", "score": 1, "word": "b c", "start": 1, "end": 3}]
    record = {"tokens": ["a", "b", "c", "d"], "tags": ["O"] * 4, "entities": entities}
    page = _Page(view(write(tmp_path / "a.jsonl", [record])))
    assert page.paragraphs[0] == "a [b c|PER] d"


def test_words_are_parted_and_white_space_is_no_word(tmp_path):
    record = {"text": "天津 是城市", "words": ["天津", " ", "是", "城市"]}
    page = _Page(view(write(tmp_path / "a.jsonl", [record])))
    assert page.paragraphs[0] == "[天津] [是][城市]"
    assert page.figures["characters"] == "6"


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_counts_are_of_all_records(tmp_path, suffix):
    from nerx.engine.files.sink import Sink

    chosen = random.Random(5)
    records = []
    for number in range(5000):
        words = chosen.sample(["Paris", "Lima", "Oslo", "Bonn"], chosen.randrange(4))
        text = " or ".join(words) + "."
        kinds = {"Paris": "LOC", "Lima": "LOC", "Oslo": "ORG", "Bonn": "PER"}
        found = [entity(text, word, kinds[word], chosen.random()) for word in words]
        records.append({"id": number, "text": text, "entities": found})
    path = str(tmp_path / f"a.jsonl{suffix}")
    with Sink(path) as sink:
        sink.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    html = view(path)
    flat = [item for record in records for item in record["entities"]]
    figures = _Page(html).figures
    assert figures["records"] == "5,000"
    assert figures["entities"] == f"{len(flat):,}"
    assert figures["characters"] == f"{sum(len(record['text']) for record in records):,}"
    bare = sum(not record["entities"] for record in records)
    assert figures["records without entities"] == f"{bare:,}"
    for kind, count in Counter(item["entity_group"] for item in flat).items():
        assert re.search(rf'data-type="{kind}".*?<td>{count:,}</td>', html.decode(), re.S)
    for name, count in Counter(item["word"] for item in flat).items():
        assert re.search(rf'data-name="{name}".*?<span>{count:,}</span>', html.decode(), re.S)


def _block(records, line):
    from nerx.engine.types import Block

    return Block(b"".join(json.dumps(record).encode() + b"\n" for record in records), line, 0)


def test_tallies_of_parts_make_the_tally_of_the_whole():
    chosen = random.Random(1)
    records = [
        {"text": "a" * n, "entities": [entity("a" * n, "a", chosen.choice("XYZ"), 1 / n)]}
        for n in chosen.sample(range(1, 2000), 1000)
    ]
    whole = tally_block(_block(records, 1), "f", 3)
    parts = Tally()
    for first, end in ((0, 10), (10, 600), (600, 1000)):
        part = tally_block(_block(records[first:end], first + 1), "f", 3, parts.limits())
        parts.merge(part)
    for name in ("records", "characters", "found", "types", "names", "sample", "doubtful"):
        assert getattr(parts, name) == getattr(whole, name), name
    assert parts.longest == whole.longest
    least = sorted(records, key=lambda record: -len(record["text"]))[:100]
    assert [row.record.text for row in whole.doubtful] == [record["text"] for record in least]
    other = tally_block(_block(records, 1), "f", 4)
    assert other.sample != whole.sample
    assert len({row.number for row in whole.sample}) == len(whole.sample) == 300


def test_a_page_is_small_and_says_what_it_leaves_out(tmp_path):
    names = [f"Name{number}" for number in range(10_000)]
    text = " ".join(names) + " <&\"'>" * 300_000
    starts = [match.start() for match in re.finditer("Name", text)]
    found = [
        {"entity_group": "T" * 30, "score": 0.5, "word": w, "start": s, "end": s + len(w)}
        for s, w in zip(starts, names, strict=True)
    ]
    records = [{"text": text, "entities": found}] + [
        {"text": "é" * 100_000, "entities": []} for _ in range(30)
    ]
    html = view(write(tmp_path / "a.jsonl", records))
    assert len(html) < 2_000_000
    for part in re.findall(r"([\d,]+) characters …|… ([\d,]+) characters", html.decode()):
        assert any(part)
    page = _Page(html)
    assert any("[Name9|" in text for text in page.paragraphs)
    assert page.figures["entities"] == "10,000"


def test_many_types_are_summed_up(tmp_path):
    records = [{"text": "a", "entities": [entity("a", "a", f"T{n}")]} for n in range(300)]
    html = view(write(tmp_path / "a.jsonl", records)).decode()
    assert "260 other types" in html
    assert html.count('class="type ') == 40


def test_differences_are_found_and_scored(tmp_path):
    text = "Angela Merkel met Ford in Paris"
    ours = [
        entity(text, "Angela", "PER"),
        entity(text, "Ford", "ORG"),
        entity(text, "Paris", "LOC"),
    ]
    theirs = [entity(text, "Angela Merkel", "PER"), entity(text, "Paris", "LOC")]
    same = {"text": "Lima", "entities": [entity("Lima", "Lima", "LOC")]}
    first = write(tmp_path / "a.jsonl", [same, {"text": text, "entities": ours}])
    second = write(tmp_path / "b.jsonl", [same, {"text": text, "entities": theirs}])
    html = view_both((first, second))
    page = _Page(html)
    assert page.figures["records that differ"] == "1"
    assert page.figures["entities in both"] == "2"
    assert page.figures["F1"] == f"{2 * 2 / (4 + 3):.4f}"
    assert page.paragraphs == [
        "[Angela|PER] Merkel met [Ford|ORG] in [Paris|LOC]",
        "[Angela Merkel|PER] met Ford in [Paris|LOC]",
    ]
    disputed = re.findall(r'<mark class="c\d x">(.*?)<b', html.decode())
    assert disputed == ["Angela", "Ford", "Angela Merkel"]


def test_gold_data_of_another_format_is_compared(tmp_path):
    gold = tmp_path / "gold.conll"
    gold.write_text("Angela B-PER\nMerkel I-PER\nsmiled O\n\nOslo B-LOC\n\n")
    found = [{"entity_group": "PER", "score": 0.9, "word": "Angela", "start": 0, "end": 1}]
    labelled = write(
        tmp_path / "a.jsonl",
        [
            {"tokens": ["Angela", "Merkel", "smiled"], "entities": found},
            {"tokens": ["Oslo"], "entities": []},
        ],
    )
    page = _Page(view_both((labelled, str(gold))))
    assert page.figures["entities in B"] == "2"
    assert page.figures["entities in both"] == "0"
    words = write(tmp_path / "w.jsonl", [{"text": "他 在北京", "words": ["他", " ", "在北", "京"]}])
    segmented = tmp_path / "w.txt"
    segmented.write_text("他 在 北京\n")
    page = _Page(view_both((words, str(segmented))))
    assert page.figures["words in both"] == "1"
    assert page.paragraphs == ["[他][在北][京]", "[他][在][北京]"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "holds no records"),
        ("\n \n", "holds no records"),
        ('{"text": "a"}\n', ':1: no list "entities" or "words", found "text"'),
        ('{"text": "a", "entities": []}\n{"text": "a", "entit', ":2: not JSON"),
        ('{"text": "a", "entities": []}\n[1]\n', ":2: found list"),
        ('{"entities": []}\n', ':1: neither "text" nor "tokens"'),
        ('{"text": "a", "entities": [3]}\n', ":1: entity 0 has no keys"),
        ('{"text": "a", "entities": [{"entity_group": 1}]}\n', 'no "entity_group"'),
        (
            '{"text": "a", "entities": [{"entity_group": "A", "word": "a", "start": 0, "end": 2}]}',
            "no place in its document",
        ),
        ('{"text": "a", "entities": []}\n{"text": "a", "words": ["a"]}\n', "some lines have"),
        ('{"text": "a", "words": "a"}\n', '"words" must be a list'),
        ("Paris is nice\n\x00\n", None),
    ],
)
def test_other_files_are_refused_or_shown_honestly(tmp_path, lines, says):
    path = tmp_path / "a.jsonl"
    path.write_text(lines)
    if says is None:  # no JSON at all is segmented text
        assert _Page(view(str(path), "text")).figures["words"] == "4"
        return
    with pytest.raises(InputError, match=re.escape(says)):
        view(str(path))


def test_unequal_files_are_refused(tmp_path):
    one = {"text": "a", "entities": []}
    first = write(tmp_path / "a.jsonl", [one, one])
    with pytest.raises(InputError, match=r"has 1 records, .* has more"):
        view_both((first, write(tmp_path / "b.jsonl", [one])))
    with pytest.raises(InputError, match=r"a.jsonl:2 and .*c.jsonl:2 are of different texts"):
        view_both((first, write(tmp_path / "c.jsonl", [one, {"text": "b", "entities": []}])))


def test_surrogates_do_not_stop_the_page(tmp_path):
    record = {"text": "a\ud800b", "entities": [entity("a\ud800b", "a\ud800", "X")]}
    page = _Page(view(write(tmp_path / "a.jsonl", [record])))
    assert page.paragraphs[0] == "[a\ufffd|X]b"


def test_a_page_of_many_blocks_is_that_of_one(tmp_path, monkeypatch):
    records = [{"id": n, "text": "Lima " * 20, "entities": []} for n in range(400)]
    path = write(tmp_path / "a.jsonl", records)
    at_once = view(path)
    monkeypatch.setattr("nerx.engine.view.records.BLOCK_BYTES", 5000)
    assert view(path) == at_once


def test_show_sorts_spans():
    value = {"text": "ab", "entities": [entity("ab", "b", "X"), entity("ab", "a", "Y")]}
    assert [span.type for span in show(value, 1, "f").spans] == ["Y", "X"]
