"""The streaming engine: its own rate, what it adds to a model, memory and time by size, padding.

    python -m nerx.benchmarks.bench_stream [-m en] [--quick] [--text FILE]...

On a machine that is busy with other things, the rows "by CPU" still hold: they count the seconds
for which the run had a core, all its processes together, not the time that passed.

"Pipeline" figures replace the model by a hash of each word's first subword, so that all that is
left is nerx itself: JSON Lines in, JSON Lines with entities out, sentences of 20 words drawn by
their frequency in the texts, one word in a hundred never seen before. Every run is a process of
its own. Rows go to `benchmarks/results/stream.json`.
"""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np

from ..engine.backends.cores import usable_cores
from ..engine.bundle import Bundle
from ..engine.config import RunConfig
from ..engine.files.source import read_blocks
from ..engine.formats.registry import open_format
from ..engine.formats.text import TextReader
from ..engine.inference.batching import build_batch, padding_waste, plan_batches, window_lengths
from ..engine.model import Model, open_encoder
from ..engine.run.run import Run
from ..engine.run.stream import default_block_bytes
from ..engine.types import Batch, BatchLabels

SENTENCE_WORDS = 20
NEW_WORDS = 0.01
ROOT = Path(__file__).resolve().parent.parent
TEXTS = Path(os.environ.get("NERX_SHARED", ROOT.parent / "shared"), "data", "text")
CPU_BATCH_TOKENS = 1000


class HashBackend:
    """Labels from a hash of the subword id: one word in nine begins an entity, as in newswire."""

    name, precision, device = "hash", "none", "cpu"
    streams = usable_cores()
    batch_tokens = CPU_BATCH_TOKENS

    def __init__(self, labels: tuple[str, ...]) -> None:
        outside = labels.index("O") if "O" in labels else 0
        begins = [number for number, label in enumerate(labels) if label.startswith("B")]
        self._labels = len(labels)
        self._table = np.full(1 << 11, outside, np.int32)
        self._table[: 1 << 8] = np.resize(begins, 1 << 8)
        self._table[-1:] = len(labels) - 1  # an I- with no B- before it, in one sentence of 100

    def run(self, batch: Batch) -> BatchLabels:
        ids = batch.input_ids.reshape(-1)[batch.word_index]
        label_ids = self._table[(ids * 2654435761 >> 16) & (len(self._table) - 1)]
        scores = np.full(len(ids), 0.9, np.float32)
        return BatchLabels(
            label_ids=label_ids, scores=scores, logits=partial(self._logits, label_ids)
        )

    def _logits(self, label_ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.eye(self._labels, dtype=np.float32)[label_ids[wanted]] * 4


def write_corpus(path: Path, texts: list[Path], records: int) -> None:
    """JSON Lines of sentences whose words come by their frequency in the texts."""
    rng = np.random.default_rng(0)
    words = np.array(" ".join(text.read_text() for text in texts).split(), dtype=object)
    with path.open("w") as file:
        for first in range(0, records, 10_000):
            picked = rng.choice(words, (min(10_000, records - first), SENTENCE_WORDS))
            fresh = np.argwhere(rng.random(picked.shape) < NEW_WORDS)
            for row, column in fresh:
                picked[row, column] = f"{first + row:x}".translate(_LETTERS) + "ova"
            for number, row in enumerate(picked, first):
                file.write(json.dumps({"id": number, "text": " ".join(row)}) + "\n")


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def stream(model: Model, source: str, folder: str, workers: int = 0) -> dict[str, Any]:
    """Tags a file and returns the run's statistics."""
    config = RunConfig(
        inputs=(source,), output=str(Path(folder, "out.jsonl")), force=True, workers=workers
    )
    began = cpu_seconds()
    with Run(config, model) as run:
        for _ in run:
            pass
    while multiprocessing.active_children():  # the seconds of a process count when it has ended
        time.sleep(0.01)
    return run.stats() | {"cpu_s": cpu_seconds() - began}


def cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def engine_alone(model: Model, source: str) -> tuple[float, float]:
    """Words a second and CPU seconds of the model: all batches are made before the clock starts."""
    reader = open_format(None, source)
    batches: list[Batch] = []
    words = 0
    backend, special = model.backend, model.encoder.special
    for block in read_blocks(source, reader, default_block_bytes(backend.device)):
        encoded = model.encoder.encode(reader.parse(block))
        words += encoded.words
        for windows in plan_batches(window_lengths(encoded, special), backend.batch_tokens):
            batches.append(build_batch(encoded, windows, special, every_subword=False)[0])
    with ThreadPoolExecutor(backend.streams) as pool:
        began, cpu_began = time.perf_counter(), time.process_time()
        list(pool.map(backend.run, batches))
        return words / (time.perf_counter() - began), time.process_time() - cpu_began


def padding(bundle: Bundle, text: Path) -> float:
    """The share of padding in the batches of a text, with blocks and batches as on a CPU."""
    encoder = open_encoder(bundle, 64)
    subwords = places = 0
    for block in read_blocks(str(text), TextReader(), default_block_bytes("cpu")):
        encoded = encoder.encode(TextReader().parse(block))
        lengths = window_lengths(encoded, encoder.special)
        used, padded = padding_waste(lengths, plan_batches(lengths, CPU_BATCH_TOKENS))
        subwords, places = subwords + used, places + padded
    return 1 - subwords / places


@click.group(invoke_without_command=True)
@click.option(
    "-m", "--model", default="en", show_default=True, help="Bundle; its tokenizer counts."
)
@click.option("--text", "texts", multiple=True, type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="A tenth of the records.")
@click.option("--no-model", is_flag=True, help="Leave the model's own run out.")
@click.option("-o", "--output", default=str(ROOT / "benchmarks" / "results" / "stream.json"))
@click.pass_context
def main(
    context: click.Context,
    model: str,
    texts: tuple[Path, ...],
    quick: bool,
    no_model: bool,
    output: str,
) -> None:
    """Measures everything and writes the rows."""
    if context.invoked_subcommand:
        return
    files = list(texts) or sorted(TEXTS.glob("*_en.txt"))
    sizes = [n // 10 if quick else n for n in (20_000, 100_000, 1_000_000)]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        corpora = [str(Path(folder, f"{size}.jsonl")) for size in sizes]
        for corpus, size in zip(corpora, sizes, strict=True):
            write_corpus(Path(corpus), files, size)
        rows += pipeline_rows(model, corpora, folder)
        rows += [
            row(f"padding, {text.name}", 100 * padding(Bundle.load(model), text), "%", "< 2")
            for text in files
        ]
        if not no_model:
            rows += model_rows(model, files, folder)
    report = {"machine": machine(), "versions": versions(), "model": model, "rows": rows}
    Path(output).write_text(json.dumps(report, indent=1) + "\n")


def pipeline_rows(model: str, corpora: list[str], folder: str) -> list[dict[str, Any]]:
    """Memory and time by size with a thread, and the rates with a thread and with processes."""
    by_size = [child("pipeline", "-m", model, corpus, folder, "0") for corpus in corpora]
    processes = child("pipeline", "-m", model, corpora[-1], folder, "2")
    rows = []
    for name, run in (("a thread", by_size[-1]), ("2 processes", processes)):
        rate = run["records"] / run["seconds"]
        goal = "40000 on 2 cores"
        rows.append(row(f"pipeline, {name}", rate, "sentences/s", goal, run))
        rate = run["records"] / run["cpu_s"]
        rows.append(row("the same by CPU", rate, "a core-second", "20000"))
    first, middle, last = by_size
    for run in (first, last):
        rows.append(row(f"memory, {run['records']:,} records", run["peak_memory_mb"], "MB"))
    for name, key, small, goal in (
        (f"memory, {last['records'] // first['records']} times", "peak_memory_mb", first, 1.1),
        (f"time, {last['records'] // middle['records']} times", "seconds", middle, 10.5),
        ("the same by CPU", "cpu_s", middle, 10.5),
    ):
        rows.append(row(name, last[key] / small[key], "times", f"<= {goal}"))
    return rows


def model_rows(model: str, texts: list[Path], folder: str) -> list[dict[str, Any]]:
    """The rate of the whole beside that of the model alone."""
    source = Path(folder, "text.txt")
    lines = [line for text in texts for line in text.read_text().split("\n")[:2000]]
    source.write_text("\n".join(lines))
    runs = child("beside-model", "-m", model, str(source), folder)
    engine, whole = map(statistics.median, (runs["engine"], runs["whole"]))
    ratios = [b / a for a, b in zip(runs["engine"], runs["whole"], strict=True)]
    cpu = [a / b for a, b in zip(runs["engine_cpu_s"], runs["whole_cpu_s"], strict=True)]
    return [
        row(f"{model}, model alone", engine, "words/s"),
        row(f"{model}, nerx tag", whole, "words/s"),
        row("nerx tag / model alone", statistics.median(ratios), "times", ">= 0.92"),
        row("the same by CPU", statistics.median(cpu), "times", ">= 0.92"),
    ]


@main.command("pipeline", hidden=True)
@click.option("-m", "--model")
@click.argument("source")
@click.argument("folder")
@click.argument("workers", type=int)
def pipeline(model: str, source: str, folder: str, workers: int) -> None:
    bundle = Bundle.load(model)
    hashed = HashBackend(bundle.labels)
    with patch("nerx.engine.model.open_backend", lambda *_: hashed), Model(bundle) as loaded:
        print(json.dumps(stream(loaded, source, folder, workers)))


@main.command("beside-model", hidden=True)
@click.option("-m", "--model")
@click.argument("source")
@click.argument("folder")
def beside_model(model: str, source: str, folder: str) -> None:
    found: dict[str, Any] = {"engine": [], "whole": [], "engine_cpu_s": [], "whole_cpu_s": []}
    with Model(Bundle.load(model)) as loaded:
        engine_alone(loaded, source)  # a runtime compiles for every shape of batch that is new
        for _ in range(3):
            rate, cpu_s = engine_alone(loaded, source)
            stats = stream(loaded, source, folder)
            found["engine"].append(rate)
            found["engine_cpu_s"].append(cpu_s)
            found["whole"].append(stats["words_per_s"])
            found["whole_cpu_s"].append(stats["cpu_s"])
    print(json.dumps(found))


def child(*words: str) -> Any:
    """What a run of this file in a process of its own prints."""
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def row(
    name: str, value: float, unit: str, goal: str = "", detail: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A row, which is printed as well."""
    click.echo(f"{name:32} {value:12,.2f} {unit:12} {goal and 'goal ' + goal}")
    found = {"name": name, "value": round(value, 4), "unit": unit, "goal": goal}
    return found | ({"detail": detail} if detail else {})


def machine() -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0]
    return {"cpu": cpu.strip(" \t:"), "cores": usable_cores(), "load": os.getloadavg()[0]}


def versions() -> dict[str, str]:
    names = ("nerx-engine", "numpy", "orjson", "tokenizers", "openvino")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


if __name__ == "__main__":
    main()
