import multiprocessing
import pickle
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine import BundleError, ConfigError, InputError, LabelConfig, Tagger

from ..tiny_bundle import BARE, write_tiny_bundle

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
arrow = pytest.importorskip("nerx.engine.arrow")
BatchTagger = arrow.BatchTagger

TEXT = st.text(
    st.sampled_from("paris我愛ب\u2028\x00\u0301\U0001f600\u200d \t\n.'ßé")
    | st.characters(codec="utf-8"),
    max_size=60,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "ner": write_tiny_bundle(folder / "ner"),
        "seg": write_tiny_bundle(folder / "seg", BARE, "characters"),
    }


@pytest.fixture(scope="module", params=["ner", "seg"])
def pair(request: pytest.FixtureRequest, folders: dict[str, Path]) -> tuple[BatchTagger, Tagger]:
    folder = folders[request.param]
    return BatchTagger(folder, threads=1), Tagger(folder)


@pytest.fixture(scope="module")
def ner(folders: dict[str, Path]) -> BatchTagger:
    return BatchTagger(folders["ner"], threads=1)


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose scores are what a float32 holds of four digits."""
    for row in rows:
        for entity in row.get("entities") or ():
            entity["score"] = round(entity["score"], 4)
    return rows


# --- the same as Tagger ------------------------------------------------------------------------


@given(texts=st.lists(st.none() | TEXT, max_size=8))
def test_texts_are_labelled_as_by_the_tagger(
    pair: tuple[BatchTagger, Tagger], texts: list[str | None]
) -> None:
    batch_tagger, tagger = pair
    rows = rounded(batch_tagger(pa.table({"text": pa.array(texts, pa.string())})).to_pylist())
    [key] = set(rows[0]) - {"text"} if rows else ["none"]
    there = iter(list(tagger.pipe([text for text in texts if text is not None])))
    assert rows == [{"text": t, key: None} if t is None else next(there) for t in texts]


@given(documents=st.lists(st.none() | st.lists(TEXT, max_size=6), max_size=6))
def test_given_words_are_labelled_as_by_the_tagger(
    pair: tuple[BatchTagger, Tagger], documents: list[list[str] | None]
) -> None:
    batch_tagger, tagger = pair
    rows = pa.table({"text": pa.array(documents, pa.list_(pa.string()))})
    labelled = rounded(batch_tagger(rows).rename_columns({"text": "tokens"}).to_pylist())
    given = [words for words in documents if words is not None]
    there = iter(list(tagger.pipe(given, is_split_into_words=True)))
    for row, words in zip(labelled, documents, strict=True):
        assert row == (dict.fromkeys(row) if words is None else next(there))


def test_blocks_and_chunks_change_nothing(
    ner: BatchTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"paris {'berlin n ' * (n % 7)} e l" if n % 5 else None for n in range(300)]
    table = pa.table({"n": range(300), "text": texts})
    whole = ner(table)
    assert whole["n"].to_pylist() == list(range(300))
    monkeypatch.setattr(arrow, "default_block_bytes", lambda device: 100)
    pieces = pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)])
    assert ner(pieces).equals(whole)
    [batch] = table.slice(11, 200).combine_chunks().to_batches()
    assert ner(batch).equals(whole.slice(11, 200).combine_chunks().to_batches()[0])


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_texts_may_be_stored_in_any_way(ner: BatchTagger, kind: pa.DataType) -> None:
    texts = pa.array(["paris berlin", None, "", "n e paris"])
    rows = pa.table({"text": texts.cast(kind)})
    labelled = ner(rows)
    assert labelled["text"].equals(rows["text"])
    assert labelled["entities"].equals(ner(pa.table({"text": texts}))["entities"])


LISTS = [pa.large_list(pa.large_string()), pa.list_(pa.string(), 2)]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_words_may_be_stored_in_any_way(ner: BatchTagger, kind: pa.DataType) -> None:
    words = pa.array([["paris", "berlin"], None, ["n", "e"]])
    labelled = ner(pa.table({"text": words.cast(kind)}))
    assert labelled.select([1, 2]).equals(ner(pa.table({"text": words})).select([1, 2]))


# --- schema ------------------------------------------------------------------------------------


def test_the_schema_is_known_before_a_row_is_labelled(pair: tuple[BatchTagger, Tagger]) -> None:
    batch_tagger, _ = pair
    for column in (pa.array(["paris"]), pa.array([["paris"]]), pa.nulls(1)):
        for rows in (pa.table({"text": column, "id": [1]}), pa.table({"id": [1], "text": column})):
            for part in (rows, rows.slice(0, 0), rows.to_batches()[0]):
                assert batch_tagger(part).schema.equals(
                    batch_tagger.schema(part.schema), check_metadata=True
                )


def test_columns_and_metadata_are_carried_over(ner: BatchTagger) -> None:
    schema = pa.schema([("entities", pa.int8()), ("text", pa.string())], metadata={"a": "b"})
    rows = pa.table({"entities": [1, 2], "text": ["paris", None]}, schema=schema)
    labelled = ner(rows)
    assert labelled.column_names == ["entities", "text"]  # replaced, not doubled
    assert labelled["entities"].type == pa.list_(labelled["entities"].type.value_type)
    assert labelled.schema.metadata[b"a"] == b"b"
    assert len(labelled.schema.metadata[b"nerx.model"]) == 64
    assert labelled.schema.metadata[b"nerx.version"]
    assert rows.schema.metadata == {b"a": b"b"}


def test_the_new_column_can_be_named(folders: dict[str, Path]) -> None:
    tagger = BatchTagger(folders["ner"], column="body", output="found", threads=1)
    assert tagger(pa.table({"body": ["paris"]})).column_names == ["body", "found"]


def test_options_reach_the_model(folders: dict[str, Path]) -> None:
    strict = BatchTagger(folders["ner"], threads=1, config=LabelConfig(min_score=1.0))
    assert strict(pa.table({"text": ["paris berlin"]}))["entities"].to_pylist() == [[]]
    with pytest.raises(ConfigError, match="min_score"):
        BatchTagger(folders["seg"], config=LabelConfig(min_score=0.5))


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"body": ["a"], "id": [1]}, "no column 'text'; the columns are body, id"),
        ({"text": [1]}, r"'text' is of type int64; expected texts \(string\) or given words"),
        ({"text": [[1]]}, "column 'text' is of type list<"),
        ({"text": [b"a"]}, "column 'text' is of type binary"),
    ],
)
def test_a_wrong_column_is_named(ner: BatchTagger, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ner(pa.table(columns))
    with pytest.raises(InputError, match=message):
        ner.schema(pa.table(columns).schema)


def test_a_bad_row_is_named(ner: BatchTagger) -> None:
    broken = pa.array([b"paris", b"ab\xffc"]).view(pa.string())
    with pytest.raises(InputError, match=r"row 2 of 'text': not UTF-8 .* at byte 3 of the value"):
        ner(pa.table({"text": broken}))
    with pytest.raises(InputError, match="row 2 of 'text': word 1 of the list is null"):
        ner(pa.table({"text": [["a"], ["b", None]]}))


def test_a_missing_model_is_said_at_once() -> None:
    with pytest.raises(BundleError, match="nowhere"):
        BatchTagger("./nowhere")


# --- processes and threads ---------------------------------------------------------------------


def test_a_pickle_holds_no_model_and_loads_it_once(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    real = arrow.Model
    monkeypatch.setattr(arrow, "_loaded", {})
    monkeypatch.setattr(arrow, "Model", lambda *a, **k: loads.append(1) or real(*a, **k))
    tagger = BatchTagger(folders["ner"], threads=1)
    rows = pa.table({"text": ["paris berlin"] * 3})
    data = pickle.dumps(tagger)
    assert not loads
    assert len(data) < 2000
    assert pickle.loads(data)(rows).equals(tagger(rows))
    assert pickle.dumps(tagger) == data
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: tagger(rows).equals(pickle.loads(data)(rows)), range(16)))
    assert len(loads) == 1


def test_threads_share_a_tagger(pair: tuple[BatchTagger, Tagger]) -> None:
    batch_tagger, _ = pair
    seed = random.Random(1)
    letters = "abcdefgh 我愛北京ßé.,"
    texts = ["".join(seed.choices(letters, k=seed.randrange(80))) for _ in range(2000)]
    table = pa.table({"text": texts})
    whole = batch_tagger(table)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda n: batch_tagger(table.slice(n * 50, 50)), range(40)))
    assert pa.concat_tables(parts).equals(whole)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_another_process_loads_its_own(ner: BatchTagger, method: str) -> None:
    rows = pa.table({"text": ["paris berlin"]})
    here = ner(rows)
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert pool.submit(ner, rows).result(timeout=60).equals(here)


def test_a_worker_refuses_another_model(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "ner")
    tagger = BatchTagger(tmp_path / "ner", threads=1)
    manifest = tmp_path / "ner" / "nerx.json"
    manifest.write_text(manifest.read_text().replace('"name": "ner"', '"name": "other"'))
    with pytest.raises(BundleError, match="not the model that the job was started with"):
        tagger(pa.table({"text": ["paris"]}))
