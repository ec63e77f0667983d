"""Engines come back as they were built, for the machine they were built for, or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nerx.engine.backends.tensorrt.cuda import Gpu
from nerx.engine.backends.tensorrt.engine_cache import (
    EngineKey,
    find_engine,
    remove_engine,
    store_engine,
    stored_engine,
    write_record,
)
from nerx.engine.backends.tensorrt.profiles import default_edges, make_profiles
from nerx.engine.errors import BackendError

KEY = EngineKey(
    onnx_sha256="ab" * 32,
    flavour="tensorrt-rtx",
    version="1.7.1.116",
    precision="fp16",
    sms=(89,),
    batch_tokens=512,
    profiles=make_profiles(default_edges(64), 512),
)
ADA, BLACKWELL = Gpu(0, "Ada", 89), Gpu(0, "Blackwell", 120)
COMMAND = "nerx export ./model --runtime tensorrt-rtx"


def find(key: EngineKey = KEY, gpu: Gpu = ADA, **changes: str):
    wanted = replace(key, **changes)
    return find_engine(
        wanted.onnx_sha256, wanted.precision, wanted.flavour, wanted.version, gpu, COMMAND
    )


def test_an_engine_comes_back_whole_and_private(cache_home: Path) -> None:
    stored = store_engine(KEY, b"native code")
    assert find() == stored_engine(KEY) == stored
    assert find().read() == b"native code"
    write_record(replace(stored, parity={"agreement": 1.0}))
    assert find() == replace(stored, parity={"agreement": 1.0})
    for path in (stored.path, stored.path.with_suffix(".json"), *stored.path.parents[:2]):
        assert path.stat().st_mode & 0o077 == 0
    assert stored.path.is_relative_to(cache_home)


def test_a_changed_engine_is_never_loaded() -> None:
    stored = store_engine(KEY, b"native code")
    stored.path.write_bytes(b"native c0de")
    with pytest.raises(BackendError, match=r"its sha256 differs; .* `nerx export`"):
        find().read()
    stored.path.unlink()
    with pytest.raises(BackendError, match="cannot read the engine"):
        stored.read()


def test_a_record_of_another_engine_is_worth_nothing() -> None:
    stored = store_engine(KEY, b"native code")
    record = json.loads(stored.path.with_suffix(".json").read_text())
    record["key"]["sms"] = [120]  # the name tells what it was built for
    stored.path.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(BackendError, match="no tensorrt-rtx engine of this model has been built"):
        find(gpu=BLACKWELL)
    stored.path.with_suffix(".json").write_text("{")
    with pytest.raises(BackendError, match="no tensorrt-rtx engine"):
        find()


def test_every_field_names_another_engine() -> None:
    others = {
        "onnx_sha256": "cd" * 32,
        "flavour": "tensorrt",
        "version": "1.8",
        "precision": "fp32",
        "sms": (89, 120),
        "gpu": "Ada",
        "batch_tokens": 1024,
        "profiles": make_profiles((64,), 512),
    }
    assert set(others) == set(EngineKey.__dataclass_fields__)
    names = {replace(KEY, **{field: value}).name for field, value in others.items()}
    assert len({KEY.name, *names}) == len(others) + 1
    assert KEY.name.startswith("abababababab.fp16.tensorrt-rtx-1.7.1.116.sm89.")


def test_an_engine_of_another_gpu_is_refused_with_what_to_run() -> None:
    store_engine(KEY, b"")
    with pytest.raises(BackendError) as error:
        find(gpu=BLACKWELL)
    assert str(error.value) == (
        "the engine was built for sm89, this GPU is sm120 (Blackwell): "
        "run `nerx export ./model --runtime tensorrt-rtx`"
    )


def test_an_engine_tuned_on_one_gpu_is_for_that_model_only() -> None:
    key = replace(KEY, flavour="tensorrt", gpu="L4")
    store_engine(key, b"")
    assert find(key, Gpu(1, "L4", 89))
    with pytest.raises(BackendError, match=r"built for sm89 \(L4\), this GPU is sm89 \(Ada\)"):
        find(key, ADA)


def test_an_engine_of_another_version_is_refused_and_then_replaced() -> None:
    old = store_engine(KEY, b"old")
    with pytest.raises(BackendError, match=r"with tensorrt-rtx 1.7.1.116, 1.8 is installed: run"):
        find(version="1.8")
    new = store_engine(replace(KEY, version="1.8"), b"new")
    assert find(version="1.8") == new
    assert not old.path.exists()
    assert sorted(path.suffix for path in new.path.parent.iterdir()) == [".engine", ".json"]


def test_engines_for_other_gpus_live_side_by_side() -> None:
    many = store_engine(replace(KEY, sms=(80, 89, 120)), b"many")
    one = store_engine(KEY, b"one")
    assert find(gpu=BLACKWELL) == many
    assert find(gpu=ADA) == one  # the one that is for this GPU alone
    with pytest.raises(BackendError, match="no tensorrt-rtx engine of this model"):
        find(precision="fp32")


def test_a_refused_engine_is_gone() -> None:
    stored = store_engine(KEY, b"native code")
    remove_engine(stored)
    assert stored_engine(KEY) is None
    assert not list(stored.path.parent.iterdir())


def test_a_cache_that_cannot_be_written_is_said(cache_home: Path) -> None:
    cache_home.write_text("a file where the folder should be")
    with pytest.raises(BackendError, match="cannot use the cache folder"):
        store_engine(KEY, b"")
