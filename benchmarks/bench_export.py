"""What each artifact of `nerx export` is worth: subwords a second, the model alone.

    python -m nerx.benchmarks.bench_export MODEL TEXT [--rounds 5] [--row results/export.jsonl]

MODEL is a checkpoint's folder, or `bert-base` or `albert-base`: that architecture with random
weights (seeded), which cost as much to multiply as trained ones. Every system gets the same
batches, in turns, so that what else the machine does hurts all alike; ratios are of medians.
"""

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from ..engine.backends.cores import processor_name, usable_cores
from ..engine.backends.cpu.onnxruntime import OnnxRuntimeBackend
from ..engine.backends.cpu.openvino import OpenVinoBackend
from ..engine.bundle import file_sha256
from ..engine.types import Batch
from ..export.checkpoint import Checkpoint
from ..export.onnx import to_onnx
from ..export.quantize import quantize

RANDOM = {
    "bert-base": ("bert", {}),
    "albert-base": (
        "albert",
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
         "hidden_act": "gelu_new"},
    ),
}  # fmt: skip
LABELS = 9
BATCH_TOKENS = 1000
SUBWORDS_A_WORD = 1.3  # a word of English; every fourth subword begins none


def load(model: str) -> torch.nn.Module:
    if model not in RANDOM:
        return AutoModelForTokenClassification.from_pretrained(
            model, attn_implementation="eager", dtype=torch.float32
        ).eval()
    torch.manual_seed(0)
    kind, options = RANDOM[model]
    config = AutoConfig.for_model(kind, num_labels=LABELS, **options)
    return AutoModelForTokenClassification.from_config(config, attn_implementation="eager").eval()


def make_batches(lengths: Sequence[int], vocabulary: int, seed: int) -> list[Batch]:
    """Batches of random ids whose rows are as long as real sentences, longest first."""
    random = np.random.default_rng(seed)
    batches, begin = [], 0
    ordered = sorted(lengths, reverse=True)
    while begin < len(ordered):
        width = ordered[begin]
        rows = np.array(ordered[begin : begin + max(1, BATCH_TOKENS // width)])
        begin += len(rows)
        mask = (np.arange(width) < rows[:, None]).astype(np.int64)
        ids = random.integers(5, vocabulary, mask.shape) * mask
        inner = np.flatnonzero(mask.reshape(-1))
        words = inner[random.random(len(inner)) < 1 / SUBWORDS_A_WORD]
        batches.append(Batch(input_ids=ids, attention_mask=mask, word_index=words))
    return batches


def feed(batch: Batch) -> dict[str, np.ndarray]:
    return {name: getattr(batch, name) for name in Batch.__slots__}


def run_torch(model: torch.nn.Module) -> Callable[[Batch], object]:
    def run(batch: Batch) -> object:
        with torch.inference_mode():
            return model(
                input_ids=torch.from_numpy(batch.input_ids),
                attention_mask=torch.from_numpy(batch.attention_mask),
            ).logits

    return run


def seconds(run: Callable[[Batch], object], streams: int, batches: list[Batch]) -> float:
    begin = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        for _ in pool.map(run, batches):
            pass
    return time.perf_counter() - begin


@click.command()
@click.argument("model")
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--sentences", default=200, show_default=True)
@click.option("--row", type=click.Path(path_type=Path), help="File to append the result to.")
def main(model: str, text: Path, rounds: int, sentences: int, row: Path | None) -> None:
    """Times torch, ONNX Runtime and OpenVINO on fp32 and int8 forms of MODEL."""
    torch.set_num_threads(usable_cores())
    loaded = load(model)
    lines = [line for line in text.read_text(encoding="utf-8").splitlines() if line.split()]
    step = max(1, len(lines) // sentences)
    lengths = [min(128, 2 + round(SUBWORDS_A_WORD * len(line.split()))) for line in lines[::step]]
    vocabulary = loaded.config.vocab_size
    batches = make_batches(lengths, vocabulary, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        systems = {"torch fp32": (run_torch(loaded), 1)}
        labels = tuple(map(str, range(loaded.config.num_labels)))
        fp32 = to_onnx(Checkpoint(model, model, loaded, None, labels, 512, 0, ""))
        begin = time.perf_counter()
        int8 = quantize(fp32, [feed(batch) for batch in make_batches(lengths, vocabulary, 2)[:12]])
        quantize_s = time.perf_counter() - begin
        for precision, graph in (("fp32", fp32), ("int8", int8)):
            path = Path(folder) / f"{precision}.onnx"
            onnx.save(graph, path)
            for backend in (
                OpenVinoBackend(path, precision, sha256=file_sha256(path)),
                OnnxRuntimeBackend(path, precision),
            ):
                systems[f"{backend.name} {precision}"] = (backend.run, backend.streams)
        times: dict[str, list[float]] = {name: [] for name in systems}
        for run, streams in systems.values():
            seconds(run, streams, batches[-2:])
        for _ in range(rounds):
            for name, (run, streams) in systems.items():
                times[name].append(seconds(run, streams, batches))
    subwords = sum(int(batch.attention_mask.sum()) for batch in batches)
    rates = {name: subwords / statistics.median(taken) for name, taken in times.items()}
    base = rates["onnxruntime fp32"]
    for name, rate in rates.items():
        click.echo(f"{Path(model).name} {name:18} {rate:9.0f} subwords/s {rate / base:6.2f} x")
    if row is not None:
        result = {
            "model": Path(model).name,
            "machine": processor_name(),
            "cores": usable_cores(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("torch", "openvino", "onnxruntime")},
            "subwords": subwords,
            "batch_tokens": BATCH_TOKENS,
            "quantize_s": round(quantize_s, 1),
            "seconds": {name: [round(t, 3) for t in taken] for name, taken in times.items()},
            "subwords_per_s": {name: round(rate) for name, rate in rates.items()},
            "ratio_to_onnxruntime_fp32": {k: round(v / base, 3) for k, v in rates.items()},
        }
        with row.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
