"""The TensorRT backend on a GPU of plain Python, its every call held to the real bindings."""

import inspect
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nerx.engine.backends.select import open_backend
from nerx.engine.backends.tensorrt import cuda
from nerx.engine.backends.tensorrt.backend import TensorRtBackend
from nerx.engine.backends.tensorrt.engine_cache import EngineKey, store_engine
from nerx.engine.backends.tensorrt.lane import GRAPHS, HOT
from nerx.engine.backends.tensorrt.library import FLAVOURS, load_library
from nerx.engine.backends.tensorrt.profiles import default_edges, make_profiles
from nerx.engine.bundle import Bundle
from nerx.engine.errors import BackendError, BundleError
from nerx.engine.types import Batch

from ..conftest import random_batch
from ..cpu.test_backends import assert_right
from .fake_gpu import FakeCuda, fake_tensorrt

PROFILES = make_profiles(default_edges(64), 256)
VERSIONS = {"tensorrt": "10.13.0", "tensorrt-rtx": "1.7.1.116"}
COMMAND = "nerx export ./tiny --runtime tensorrt-rtx"


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """Two GPUs, Ada and Blackwell."""
    fake = FakeCuda(89, 120)
    monkeypatch.setattr(cuda, "cuda_runtime", lambda: fake)
    return fake


@pytest.fixture(params=list(FLAVOURS))
def flavour(request: pytest.FixtureRequest, gpus: FakeCuda, monkeypatch) -> str:
    install(monkeypatch, request.param, gpus)
    return request.param


def install(monkeypatch, flavour: str, gpus: FakeCuda, version: str | None = None):
    """Puts a fake of TensorRT where the real one would be imported from."""
    name = FLAVOURS[flavour].module
    module = fake_tensorrt(gpus, PROFILES, version or VERSIONS[flavour])
    module.__spec__ = ModuleSpec(name, None)
    if flavour == "tensorrt":  # it has less
        for method in ("get_engine_validity",):
            delattr(module.Runtime, method)
        delattr(module.IExecutionContext, "is_stream_capturable")
        delattr(module.ICudaEngine, "create_runtime_config")
    monkeypatch.setitem(sys.modules, name, module)
    return module


def built(bundle: Bundle, flavour: str, graph: bytes | None = None, **changes: object) -> EngineKey:
    """An engine of a bundle's graph in the cache."""
    [artifact] = bundle.artifacts
    key = EngineKey(
        onnx_sha256=artifact.files[artifact.file],
        flavour=flavour,
        version=VERSIONS[flavour],
        precision="fp32",
        sms=(89,),
        batch_tokens=256,
        profiles=PROFILES,
    )
    key = replace(key, **changes)
    store_engine(key, graph or bundle.artifact_path(artifact).read_bytes())
    return key


def load(bundle: Bundle, flavour: str, device: str = "auto") -> TensorRtBackend:
    [artifact] = bundle.artifacts
    sha256 = artifact.files[artifact.file]
    return TensorRtBackend(sha256, "fp32", flavour=flavour, device=device, build=COMMAND)


def mixed_batches(seed: int, count: int) -> Iterator[Batch]:
    random = np.random.default_rng(seed)
    for number in range(count):
        length = int(random.integers(1, 65))
        yield random_batch(number, rows=int(random.integers(1, 1 + 256 // length)), length=length)


# --- labels ------------------------------------------------------------------------------------


def test_labels_are_those_of_the_weights(decoding_bundle, flavour, weights) -> None:
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    for batch in mixed_batches(0, 50):
        assert_right(backend.run(batch), batch, weights)
    assert (backend.name, backend.precision, backend.device) == (flavour, "fp32", "cuda:0")
    assert backend.batch_tokens == 256


def test_threads_do_not_mix_up_their_batches(decoding_bundle, flavour, weights) -> None:
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    batches = list(mixed_batches(1, 80))
    with ThreadPoolExecutor(4) as pool:
        for batch, labels in zip(batches, pool.map(backend.run, batches), strict=True):
            assert_right(labels, batch, weights)


def test_a_batch_larger_than_the_engine_was_built_for_is_cut(
    decoding_bundle, flavour, weights
) -> None:
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    for rows, length in ((500, 3), (90, 33), (1, 64)):
        batch = random_batch(7, rows=rows, length=length)
        assert_right(backend.run(batch), batch, weights)
    with pytest.raises(BackendError, match="a 2 x 65 batch is outside all profiles"):
        backend.run(random_batch(0, rows=2, length=65))


def test_a_batch_without_positions_has_no_labels(decoding_bundle, flavour) -> None:
    built(decoding_bundle, flavour)
    batch = random_batch(0)
    empty = Batch(batch.input_ids, batch.attention_mask, np.zeros(0, np.int64))
    labels = load(decoding_bundle, flavour).run(empty)
    assert labels.label_ids.shape == labels.scores.shape == (0,)
    assert labels.logits(np.zeros(0, np.int64)).shape == (0, 3)


def test_ten_thousand_mixed_lengths_build_and_take_nothing(
    decoding_bundle, gpus: FakeCuda, monkeypatch, weights
) -> None:
    module = install(monkeypatch, "tensorrt", gpus)
    built(decoding_bundle, "tensorrt")
    backend = load(decoding_bundle, "tensorrt")
    taking = ("cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithFlags")
    taken = [gpus.calls[name] for name in taking]
    warm = module.counts["contexts"]
    batches = list(mixed_batches(2, 500))
    for number in range(10_000):
        batch = batches[number * 7 % 500]
        labels = backend.run(batch)
        if number % 50 == 0:
            assert_right(labels, batch, weights)
    assert taken == [gpus.calls[name] for name in taking]
    assert module.counts["loaded"] == 1
    assert module.counts["contexts"] - warm <= backend.streams * GRAPHS


def test_contexts_of_rtx_share_the_kernels_that_the_first_compiled(
    decoding_bundle, gpus: FakeCuda, monkeypatch
) -> None:
    module = install(monkeypatch, "tensorrt-rtx", gpus)
    built(decoding_bundle, "tensorrt-rtx")
    load(decoding_bundle, "tensorrt-rtx")
    assert module.counts["caches"] == 1
    assert module.counts["contexts"] > 1


def test_a_shape_seen_often_is_recorded_and_gives_the_same(
    decoding_bundle, gpus: FakeCuda, flavour: str, weights
) -> None:
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    for seed in range(4 * HOT):
        batch = random_batch(seed, rows=3, length=11)
        assert_right(backend.run(batch), batch, weights)
        other = random_batch(seed, rows=3, length=12)  # between two launches of a graph
        assert_right(backend.run(other), other, weights)
    assert gpus.calls["cudaGraphInstantiate"] == 2
    assert gpus.calls["cudaGraphLaunch"] == 2 * (4 * HOT - HOT)


def test_what_cannot_be_recorded_runs_without(
    decoding_bundle, gpus: FakeCuda, flavour: str, weights, monkeypatch
) -> None:
    tried = []

    def failing(graph: int, flags: int) -> tuple[int, None]:
        tried.append(graph)
        return 2, None

    monkeypatch.setattr(gpus, "cudaGraphInstantiate", failing)
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    for seed in range(4 * HOT):
        batch = random_batch(seed)
        assert_right(backend.run(batch), batch, weights)
    assert len(tried) == backend.streams


def test_the_gpu_is_given_back(decoding_bundle, gpus: FakeCuda, flavour: str) -> None:
    built(decoding_bundle, flavour)
    backend = load(decoding_bundle, flavour)
    assert gpus.memory
    del backend
    assert not gpus.memory


def test_a_bundle_opens_on_the_engine_of_its_best_graph(decoding_bundle, flavour, weights) -> None:
    [fp32] = decoding_bundle.artifacts
    bundle = replace(decoding_bundle, artifacts=(fp32, replace(fp32, precision="fp16")))
    with pytest.raises(BackendError) as error:
        open_backend(bundle, flavour)
    command = f"nerx export {bundle.folder} --runtime {flavour} --precision fp16"
    assert str(error.value).endswith(f": run `{command}`")
    built(decoding_bundle, flavour, precision="fp16")
    backend = open_backend(bundle, flavour)
    assert (backend.precision, backend.device) == ("fp16", "cuda:0")
    batch = random_batch(0)
    assert_right(backend.run(batch), batch, weights)
    with pytest.raises(BackendError, match="engines are fp16 or fp32, not int8"):
        open_backend(bundle, flavour, "int8")
    with pytest.raises(BundleError, match="holds no fp16 graph"):
        open_backend(decoding_bundle, flavour, "fp16")


def test_a_bundle_of_int8_alone_runs_an_fp16_engine(decoding_bundle, flavour, weights) -> None:
    [fp32] = decoding_bundle.artifacts
    built(decoding_bundle, flavour, precision="fp16")
    backend = open_backend(
        replace(decoding_bundle, artifacts=(replace(fp32, precision="int8"),)), flavour
    )
    assert backend.precision == "fp16"


# --- refusals ----------------------------------------------------------------------------------


def test_no_gpu(decoding_bundle, gpus: FakeCuda, flavour: str) -> None:
    gpus.sms = ()
    with pytest.raises(BackendError, match=r"no GPU can be used \(the driver is too old\).*smi"):
        load(decoding_bundle, flavour)


def test_a_gpu_that_is_not_there(decoding_bundle, flavour: str) -> None:
    with pytest.raises(BackendError, match=r"'cuda:2' does not exist: this machine has 2 GPU"):
        load(decoding_bundle, flavour, "cuda:2")
    with pytest.raises(BackendError, match="device 'tpu' is no GPU"):
        load(decoding_bundle, flavour, "tpu")


def test_an_engine_of_another_card(decoding_bundle, flavour: str) -> None:
    with pytest.raises(BackendError, match=r"no tensorrt.* engine of this model .*: run `nerx exp"):
        load(decoding_bundle, flavour)
    built(decoding_bundle, flavour)
    with pytest.raises(BackendError, match=r"built for sm89, this GPU is sm120 \(GPU 1\): run"):
        load(decoding_bundle, flavour, "cuda:1")


def test_the_second_gpu(decoding_bundle, gpus, flavour: str, weights) -> None:
    built(decoding_bundle, flavour, sms=(89, 120))
    backend = load(decoding_bundle, flavour, "cuda:1")
    batch = random_batch(0)
    with ThreadPoolExecutor(1) as pool:  # whose threads begin on the first GPU
        assert_right(pool.submit(backend.run, batch).result(), batch, weights)
    assert backend.device == "cuda:1"
    assert gpus.allocated_on == {1}


def test_a_file_that_tensorrt_refuses(decoding_bundle, flavour: str) -> None:
    built(decoding_bundle, flavour, graph=b"no engine at all")
    with pytest.raises(BackendError, match=r"cannot load .*\.engine: Magic tag does not match"):
        load(decoding_bundle, flavour)


def test_an_engine_that_is_invalid_here_is_not_loaded(
    decoding_bundle, gpus: FakeCuda, monkeypatch
) -> None:
    module = install(monkeypatch, "tensorrt-rtx", gpus)
    built(decoding_bundle, "tensorrt-rtx", graph=b"invalid")
    with pytest.raises(BackendError, match=r"here: version mismatch, unsupported cc$"):
        load(decoding_bundle, "tensorrt-rtx")
    assert module.counts["loaded"] == 0


def test_an_engine_with_other_profiles_than_its_record(decoding_bundle, flavour: str) -> None:
    built(decoding_bundle, flavour, profiles=make_profiles((64,), 256))
    with pytest.raises(BackendError, match="in 2 profiles, not what its record says"):
        load(decoding_bundle, flavour)


def test_scores_that_are_no_numbers(decoding_bundle, flavour: str) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(decoding_bundle.folder / decoding_bundle.artifacts[0].file)
    [bias] = [item for item in model.graph.initializer if item.name == "bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(3, np.nan, np.float32), "bias"))
    built(decoding_bundle, flavour, graph=model.SerializeToString())
    with pytest.raises(BackendError, match=r"that are no numbers .* does not hold in fp32"):
        load(decoding_bundle, flavour)  # the first batches tell


def test_too_little_memory(decoding_bundle, gpus: FakeCuda, flavour: str, monkeypatch) -> None:
    built(decoding_bundle, flavour)
    module = sys.modules[FLAVOURS[flavour].module]
    monkeypatch.setattr(module.ICudaEngine, "device_memory_size_v2", 1 << 40)
    with pytest.raises(BackendError, match="CUDA failed in cudaMalloc: out of memory"):
        load(decoding_bundle, flavour)


# --- the libraries -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLAVOURS)
def test_libraries_that_are_not_there(name: str, monkeypatch, tmp_path: Path) -> None:
    module = FLAVOURS[name].module
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(BackendError, match=rf"{name} is not installed: run `pip .*\[{name}\]'`"):
        load_library(name)
    (tmp_path / f"{module}.py").write_text("raise OSError('libnvinfer.so.11: cannot open')")
    with pytest.raises(BackendError, match=r"do not load \(libnvinfer.so.11: cannot open\): run"):
        load_library(name)


@pytest.mark.parametrize(("name", "version"), [("tensorrt", "8.6.1"), ("tensorrt-rtx", "2.0")])
def test_versions_that_nerx_does_not_know(name: str, version: str, gpus, monkeypatch) -> None:
    install(monkeypatch, name, gpus, version)
    known = {"tensorrt": r"10\.x and 11\.x", "tensorrt-rtx": r"1\.x"}[name]
    with pytest.raises(BackendError, match=f"{name} {version} is installed; nerx knows {known}"):
        load_library(name)


def test_the_real_cuda_bindings_say_that_there_is_no_gpu() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    if int(runtime.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a GPU")
    with pytest.raises(BackendError, match=r"no GPU can be used \(.+\): this backend needs"):
        cuda.Gpu.find()


# --- the fakes hold what the real bindings hold --------------------------------------------------


def test_every_call_of_cuda_has_the_real_signature() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    fakes = {name: value for name, value in vars(FakeCuda).items() if name.startswith("cuda")}
    assert len(fakes) > 15
    for name, fake in fakes.items():
        real = getattr(runtime, name)
        if isinstance(fake, SimpleNamespace):
            assert set(vars(fake)) <= set(real.__members__)
        elif callable(fake):
            expected = list(inspect.signature(real).parameters)
            assert list(inspect.signature(fake).parameters)[1:] == expected, name


CLASSES = ("ILogger", "Runtime", "ICudaEngine", "IRuntimeConfig", "IExecutionContext")
OWN = {
    "session",
    "ports",
    "engine",
    "shapes",
    "addresses",
    "profile",
    "memory",
    "strategy",
    "cache",
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_call_of_tensorrt_has_the_real_signature(name: str, gpus, decoding_bundle) -> None:
    real = pytest.importorskip("tensorrt_rtx", reason="needs the extra tensorrt-rtx")
    module = fake_tensorrt(gpus, PROFILES, "1.0")
    fake, true = getattr(module, name), getattr(real, name)
    public = {key: value for key, value in vars(fake).items() if not key.startswith("_")} | (
        vars(fake(b"" + graph_of(decoding_bundle))) if name == "ICudaEngine" else {}
    )
    for key, value in public.items():
        if key in OWN:
            continue
        assert hasattr(true, key), f"{name}.{key}"
        if inspect.isfunction(value):
            taken = list(inspect.signature(value).parameters)[1:]
            overloads = parameters_of(getattr(true, key))
            assert taken in overloads or set(taken) == set().union(*overloads), f"{name}.{key}"


def test_the_names_that_tensorrt_knows_things_by() -> None:
    real = pytest.importorskip("tensorrt_rtx", reason="needs the extra tensorrt-rtx")
    assert real.ExecutionContextAllocationStrategy.USER_MANAGED
    assert real.DynamicShapesKernelSpecializationStrategy.NONE
    assert real.TensorIOMode.INPUT
    assert real.EngineValidity.INVALID
    assert {"VERSION_MISMATCH", "UNSUPPORTED_CC"} <= set(
        real.EngineInvalidityDiagnostics.__members__
    )
    assert real.nptype(real.DataType.INT64) is np.int64
    assert tuple(real.Dims((1, -1))) == (1, -1)


def graph_of(bundle: Bundle) -> bytes:
    return bundle.artifact_path(bundle.artifacts[0]).read_bytes()


def parameters_of(method: object) -> list[list[str]]:
    """Parameter names of each overload, from the text that pybind11 writes for a method."""
    found = []
    for arguments in re.findall(r"^\s*(?:\d+\. )?\w+\(self: (.*)\) ->", method.__doc__, re.M):
        found.append(re.findall(r", (\w+): ", ", " + arguments))
    assert found, method
    return found
