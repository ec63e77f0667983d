"""Real engines from the real TensorRT-RTX builder, ahead of time, on a machine without a GPU."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("tensorrt_rtx", reason="needs the extra tensorrt-rtx")
pytest.importorskip("optimum")

import onnx
import tensorrt_rtx as trt

from nerx.engine.backends.select import open_backend
from nerx.engine.backends.tensorrt import cuda, library
from nerx.engine.backends.tensorrt.cuda import Gpu
from nerx.engine.backends.tensorrt.engine_cache import find_engine
from nerx.engine.backends.tensorrt.profiles import default_edges, make_profiles
from nerx.engine.bundle import Artifact, Bundle, file_hashes
from nerx.engine.commands.cli import cli
from nerx.engine.errors import BackendError, BundleError, ConfigError
from nerx.export import engine_build, engine_gate, tensorrt
from nerx.export.checkpoint import load_checkpoint
from nerx.export.engine_build import EngineBuild
from nerx.export.onnx import to_onnx
from nerx.export.precision import to_fp16
from nerx.export.tensorrt import EngineConfig, build_engine, why_not_here

from ..engine.backends.tensorrt.fake_gpu import FakeCuda, fake_tensorrt
from .conftest import LABELS, make_checkpoint

RTX = EngineConfig(runtime="tensorrt-rtx", sms=(89,), batch_tokens=256)
FEED = {
    "input_ids": np.random.default_rng(4).integers(4, 150, (4, 12)),
    "attention_mask": np.ones((4, 12), np.int64),
    "word_index": np.arange(48),
}
KINDS = ("bert", "albert")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each architecture, in fp32 and fp16."""
    return {kind: write_bundle(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def write_bundle(folder: Path, kind: str) -> Path:
    checkpoint = load_checkpoint(str(make_checkpoint(folder / "checkpoint", kind)))
    model = to_onnx(checkpoint)
    target = folder / "bundle"
    target.mkdir()
    checkpoint.tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    onnx.save(model, target / "model.fp32.onnx")
    onnx.save(to_fp16(model, [FEED]), target / "model.fp16.onnx")
    Bundle(
        folder=target,
        name=kind,
        architecture=kind,
        labels=LABELS,
        scheme=None,
        unit="words",
        max_length=checkpoint.max_length,
        pad_id=checkpoint.pad_id,
        tokenizer=file_hashes(target, ["tokenizer.json"]),
        artifacts=tuple(
            Artifact(
                format="onnx",
                precision=precision,
                files=file_hashes(target, [f"model.{precision}.onnx"]),
            )
            for precision in ("fp32", "fp16")
        ),
    ).write_manifest()
    return target


@pytest.fixture
def bundle(folders: dict[str, Path]) -> Bundle:
    return Bundle.load(folders["bert"])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_engines_of_both_architectures(kind: str, precision: str, folders, said) -> None:
    bundle = Bundle.load(folders[kind])
    config = replace(RTX, precision=precision)
    stored = build_engine(bundle, config, said.append)
    assert said == [f"building with tensorrt-rtx {trt.__version__} for sm89"]
    sha256 = bundle.artifact(precision).files[f"model.{precision}.onnx"]
    ada = Gpu(0, "Ada", 89)
    assert stored == find_engine(sha256, precision, "tensorrt-rtx", trt.__version__, ada, "")
    assert [p.max_length for p in stored.key.profiles] == [32, 66]
    data = stored.read()
    for name in ("input_ids", "attention_mask", "word_index", "label_ids", "scores"):
        assert name.encode() in data


def test_one_engine_for_several_cards(bundle: Bundle, said) -> None:
    many = build_engine(bundle, replace(RTX, sms=(80, 86, 89, 120)), said.append)
    one = build_engine(bundle, RTX, said.append)
    assert many.key.fits(Gpu(0, "Blackwell", 120))
    assert not one.key.fits(Gpu(0, "Blackwell", 120))
    assert many.read() != one.read()
    assert one.path.exists()


def test_what_tensorrt_read_and_what_it_was_told(bundle: Bundle, said, monkeypatch) -> None:
    builds = []
    monkeypatch.setattr(EngineBuild, "_open_timing_cache", lambda build: builds.append(build))
    stored = build_engine(bundle, replace(RTX, workspace_mib=512), said.append)
    [build] = builds
    network, config = build._network, build._config
    ports = [network.get_input(i) for i in range(3)] + [network.get_output(i) for i in range(3)]
    assert {port.name: (tuple(port.shape), port.dtype.name) for port in ports} == {
        "input_ids": ((-1, -1), "INT64"),
        "attention_mask": ((-1, -1), "INT64"),
        "word_index": ((-1,), "INT64"),
        "label_ids": ((-1,), "INT64"),
        "scores": ((-1,), "FLOAT"),
        "word_logits": ((-1, len(LABELS)), "FLOAT"),
    }
    assert config.num_optimization_profiles == len(stored.key.profiles)
    assert config.num_compute_capabilities == 1
    assert config.get_compute_capability(0) == trt.ComputeCapability.SM89
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 512 << 20
    assert not config.get_flag(trt.BuilderFlag.TF32)
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    products = [item for item in layers if item.type == trt.LayerType.MATRIX_MULTIPLY]
    kinds = [item.get_output(0).dtype for item in products]
    assert kinds.count(trt.float16) == len(kinds) - 1 > 8  # all but the classifier


def test_an_engine_is_built_once(bundle: Bundle, said, monkeypatch) -> None:
    stored = build_engine(bundle, RTX, said.append)
    with monkeypatch.context() as patch:
        patch.setattr(tensorrt, "EngineBuild", None)
        assert build_engine(bundle, RTX, said.append) == stored
    assert said[-1] == f"the engine is built already: {stored.path}"
    stored.path.write_bytes(b"something else")
    assert build_engine(bundle, RTX, said.append).read() != b"something else"
    assert said[-1].startswith("building with")


def test_length_buckets_of_a_corpus(bundle: Bundle, gold: Path, said) -> None:
    stored = build_engine(bundle, replace(RTX, lengths=str(gold)), said.append)
    edges = [profile.max_length for profile in stored.key.profiles]
    assert edges[-1] == bundle.max_length
    assert edges[:-1] == [16, 24]  # its sentences have 1 to 24 words
    assert stored.key.profiles != build_engine(bundle, RTX, said.append).key.profiles


def test_ctrl_c_ends_a_build(bundle: Bundle, said, monkeypatch) -> None:
    calls = []

    def interrupted(bar, n: int = 1) -> None:
        calls.append(n)
        if len(calls) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine_build.tqdm, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_engine(bundle, RTX, said.append)
    assert len(calls) == 5  # the build went no further
    monkeypatch.undo()


def test_a_bundle_of_int8_alone(bundle: Bundle, ada, tmp_path: Path, gold: Path, said) -> None:
    pytest.importorskip("nncf")
    from nerx.export.quantize import quantize

    folder = shutil.copytree(bundle.folder, tmp_path / "copy")
    int8 = quantize(onnx.load(folder / "model.fp32.onnx"), [FEED])
    onnx.save(int8, folder / "model.int8.onnx")
    files = file_hashes(folder, ["model.int8.onnx"])
    held = (Artifact(format="onnx", precision="int8", files=files),)
    bundle = replace(bundle, folder=folder, artifacts=held)
    stored = build_engine(bundle, replace(RTX, text=str(gold)), said.append)
    assert stored.key.precision == "fp16"
    assert stored.key.onnx_sha256 == files["model.int8.onnx"]
    parity = engine_gate.gate_engine(bundle, stored, str(gold))
    assert (parity.runtime, parity.precision) == ("tensorrt-rtx", "int8")  # held to int8's floor
    assert open_backend(bundle, "tensorrt-rtx").precision == "fp16"


def test_the_command_builds_from_a_bundle(bundle: Bundle) -> None:
    done = export(str(bundle.folder), "--sm", "86,89", "--batch-tokens", "128")
    assert done.exit_code == 0, done.output
    path = Path(done.stdout.strip())
    assert path.is_file()
    assert ".fp16.tensorrt-rtx-" in path.name
    assert ".sm86+sm89." in path.name


def test_the_command_writes_a_bundle_of_a_bundle_if_it_is_told_where(
    bundle: Bundle, gold: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    words = ("-o", str(target), "--verify", str(gold), "--sm", "89", "--batch-tokens", "128")
    done = export(str(bundle.folder), *words)
    assert done.exit_code == 0, done.output
    [artifact] = Bundle.load(target).artifacts
    assert artifact.precision == "fp16"
    path = Path(done.stdout.split("\n")[-2])
    assert path.name.startswith(f"{artifact.files['model.fp16.onnx'][:12]}.fp16.")


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_builds_from_a_checkpoint(kind: str, folders, gold: Path, tmp_path) -> None:
    checkpoint = folders[kind].parent / "checkpoint"
    words = ("-o", str(tmp_path / "out"), "--verify", str(gold), "--precision", "fp16")
    done = export(str(checkpoint), *words, "--sm", "89", "--batch-tokens", "128")
    assert done.exit_code == 0, done.output
    assert "labels have not been compared: " in done.stderr  # no GPU here runs it
    path = Path(done.stdout.split("\n")[-2])
    assert path.is_file()
    fp16 = Bundle.load(tmp_path / "out").artifact("fp16")
    assert path.name.startswith(f"{fp16.files['model.fp16.onnx'][:12]}.fp16.")


def export(*words: str) -> Result:
    command = ["export", *words, "--runtime", "tensorrt-rtx"]
    return CliRunner().invoke(cli, command, catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--sm", "89", "--workspace", "9"), "need --runtime"),
        (("--runtime", "tensorrt-rtx", "--sm", "ada"), "expected numbers such as 86,89"),
    ],
)
def test_usage(words: tuple[str, ...], reason: str) -> None:
    done = CliRunner().invoke(cli, ["export", "org/model", *words])
    assert done.exit_code == 2
    assert reason in done.output


# --- refusals ----------------------------------------------------------------------------------


def test_no_gpu_and_none_named(bundle: Bundle, said) -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    if int(runtime.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a GPU")
    with pytest.raises(BackendError, match=r"no GPU can be used"):
        build_engine(bundle, replace(RTX, sms=()), said.append)


def test_cards_that_tensorrt_does_not_build_for(bundle: Bundle, said) -> None:
    with pytest.raises(ConfigError, match=r"does not build for sm90; expected 75, 80, 86, 89, 120"):
        build_engine(bundle, replace(RTX, sms=(89, 90)), said.append)


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="expected tensorrt or tensorrt-rtx"):
        EngineConfig(runtime="openvino")
    with pytest.raises(ConfigError, match="engines are fp16 or fp32"):
        EngineConfig(runtime="tensorrt-rtx", precision="int8")
    with pytest.raises(ConfigError, match=r"leave out --sm, or give --runtime tensorrt-rtx"):
        EngineConfig(runtime="tensorrt", sms=(89,))


def test_batches_too_small_for_a_row(bundle: Bundle, said) -> None:
    with pytest.raises(ConfigError, match="batches of 50 subwords are too small for rows of up to"):
        build_engine(bundle, replace(RTX, batch_tokens=50), said.append)


def test_a_graph_that_was_not_exported_by_nerx(bundle: Bundle, tmp_path: Path, said) -> None:
    folder = shutil.copytree(bundle.folder, tmp_path / "copy")
    model = onnx.load(folder / "model.fp16.onnx")
    del model.graph.output[:2]
    onnx.save(model, folder / "model.fp16.onnx")
    with pytest.raises(BundleError, match=r"expected input_ids int64, .*: export the model again"):
        build_engine(resigned(bundle, folder), RTX, said.append)


def test_a_file_that_is_no_graph(bundle: Bundle, tmp_path: Path, said) -> None:
    folder = shutil.copytree(bundle.folder, tmp_path / "copy")
    (folder / "model.fp16.onnx").write_bytes(b"no protobuf at all")
    with pytest.raises(BackendError, match=r"tensorrt-rtx cannot read .*model.fp16.onnx: .+"):
        build_engine(resigned(bundle, folder), RTX, said.append)
    with pytest.raises(BundleError, match="is not the file that was exported"):
        build_engine(replace(bundle, folder=folder), RTX, said.append)


def resigned(bundle: Bundle, folder: Path) -> Bundle:
    """A copy of a bundle with one artifact, whose hash is that of its file now."""
    files = file_hashes(folder, ["model.fp16.onnx"])
    half = Artifact(format="onnx", precision="fp16", files=files)
    return replace(bundle, folder=folder, artifacts=(half,))


def test_too_little_workspace(bundle: Bundle, said, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"cannot build .* a larger --workspace"):
        build_engine(bundle, replace(RTX, workspace_mib=0), said.append)
    assert not list(tmp_path.glob("cache/nerx/engines/*"))


# --- from the builder to the run, on a GPU of plain Python ----------------------------------------


@pytest.fixture
def ada(bundle: Bundle, monkeypatch) -> SimpleNamespace:
    """A machine with an Ada card, whose TensorRT runs the fp16 graph for any engine."""
    gpus = FakeCuda(89)
    monkeypatch.setattr(cuda, "cuda_runtime", lambda: gpus)
    graph = bundle.artifact_path(bundle.artifact("fp16")).read_bytes()
    real = library.load_library("tensorrt-rtx")

    def run_with_fakes(name: str):
        profiles = make_profiles(default_edges(bundle.max_length), RTX.batch_tokens)
        module = fake_tensorrt(gpus, profiles, real.version)
        load = module.Runtime.deserialize_cuda_engine
        module.Runtime.deserialize_cuda_engine = lambda runtime, data: load(runtime, machine.graph)
        return replace(real, module=module)

    machine = SimpleNamespace(graph=graph)
    monkeypatch.setattr("nerx.engine.backends.tensorrt.backend.load_library", run_with_fakes)
    return machine


def test_a_built_engine_is_found_run_and_gated(bundle: Bundle, ada, gold: Path, said) -> None:
    stored = build_engine(bundle, RTX, said.append)
    assert why_not_here(stored) == ""
    parity = engine_gate.gate_engine(bundle, stored, str(gold))
    assert (parity.runtime, parity.precision, parity.agreement) == ("tensorrt-rtx", "fp16", 1.0)
    backend = open_backend(bundle, "tensorrt-rtx")
    assert (backend.name, backend.precision, backend.batch_tokens) == ("tensorrt-rtx", "fp16", 256)
    sha256 = stored.key.onnx_sha256
    found = find_engine(sha256, "fp16", "tensorrt-rtx", trt.__version__, Gpu(0, "GPU 0", 89), "")
    assert found.parity == parity.summary()


def test_an_engine_with_other_labels_is_refused_and_removed(
    bundle: Bundle, ada, gold: Path, said
) -> None:
    stored = build_engine(bundle, RTX, said.append)
    model = onnx.load_from_string(ada.graph)
    for node in model.graph.node:
        if "ArgMax" in node.op_type:
            node.op_type = "ArgMin"
    ada.graph = model.SerializeToString()
    with pytest.raises(BundleError, match=r"refused on tensorrt-rtx: 0\.\d+% of words agree"):
        engine_gate.gate_engine(bundle, stored, str(gold))
    assert not list(stored.path.parent.iterdir())


def test_an_engine_for_another_gpu_cannot_be_compared(bundle: Bundle, ada, said) -> None:
    stored = build_engine(bundle, replace(RTX, sms=(120,)), said.append)
    assert why_not_here(stored) == "it is not for this GPU, sm89 (GPU 0)"
