"""A benchmark's result as text, readable at 80 columns."""

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Any

from .regression import Change
from .rows import measured, title

_WIDTH = 79
_NAME = 24
_BAR = 24
_QUIET = 0.25  # load a core
_GPU_OPS = 495e12  # operations a second


def report(results: dict[str, Any], absent: Sequence[str]) -> str:
    """The tables, the limit and the stages of a result.

    absent: peers that did not take part, each with the reason
    """
    blocks = [
        "\n".join(_heading(results)),
        "\n".join(_speed(results)),
        "\n".join(_quality(results)),
        "\n".join(_limits(results)),
        *("\n".join(_stages(row)) for row in _fastest(results)),
        "\n".join(_notes(results, absent)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _heading(results: dict[str, Any]) -> Iterator[str]:
    machine, corpus = results["machine"], results["corpus"]
    unit = corpus["unit"]
    yield (
        f"{results['model']['name']} on {corpus['name']}: {corpus['documents']:,} documents,"
        f" {corpus['words']:,} {unit},"
    )
    yield f"{corpus['subwords']:,} subwords (median {corpus['lengths']['median']:g} a document)"
    gpus = "".join(f", {gpu}" for gpu in machine["gpus"])
    yield f"{machine['processor']}, {machine['cores']} cores{gpus}; nerx {results['nerx']}"
    if machine["load"] > _QUIET * machine["cores"]:
        yield (
            f"The machine was busy before this began (load {machine['load']:.1f}): ratios mean"
            " little,\nfor threads that wait for each other, as PyTorch's do, suffer more."
        )


def _speed(results: dict[str, Any]) -> Iterator[str]:
    unit = f"{results['corpus']['unit']}/s"
    yield f"{'':{_NAME}}{unit:>13}{'min':>9}{'max':>9}{'subwords/s':>12}{'ratio':>7}{'limit':>6}"
    for row in measured(results):
        speed, ratio = row["words_per_s"], row["ratio"]
        yield (
            f"{title(row):{_NAME}}{speed['median']:13,.0f}{speed['min']:9,.0f}{speed['max']:9,.0f}"
            f"{row['subwords_per_s']['median']:12,.0f}"
            + (f"{ratio['median']:7.2f}" if ratio else f"{'-':>7}")
            + (f"{row['limit_share']:6.0%}" if row["limit_share"] is not None else f"{'-':>6}")
        )
    for row in results["rows"]:
        if "words_per_s" not in row:
            yield f"{title(row):{_NAME}} {row['error']}"
    base = results["first_peer"]
    yield f"ratio: to {base}, round by round" if base else "ratio: no peer was measured"


def _quality(results: dict[str, Any]) -> Iterator[str]:
    yield f"{'':{_NAME}}{'batch':>12}{'padding':>10}{'memory':>11}{'labels':>11}{'F1':>8}"
    for row in measured(results):
        rows, tokens = row["batch_size"], row.get("batch_tokens")  # jieba takes text by text
        batch = f"{rows} rows" if rows else f"{tokens} tok" if tokens else "-"
        same, f1 = row["label_agreement"], row["f1"]
        yield (
            f"{title(row):{_NAME}}{batch:>12}{row['padding']:10.1%}"
            f"{row['peak_memory_mb']:8,} MB"
            + (f"{same:11.3%}" if same is not None else f"{'-':>11}")
            + (f"{f1:8.4f}" if f1 is not None else f"{'-':>8}")
        )
    reference = results["reference"]
    held = f"like those of {reference}" if reference else "not compared: nothing computed in fp32"
    yield f"labels: {results['corpus']['unit']} labelled {held}"


def _limits(results: dict[str, Any]) -> Iterator[str]:
    bounds = results["limits"]
    if not bounds:
        yield "limit: not known for this model"
        return
    yield "limit: the model's matrix products alone, on all cores or a GPU, no padding"
    for kind, bound in bounds.items():
        copies = bound.get("copy_gb_per_s")
        yield (
            f"  {kind:9} {bound['gigaops_per_s']['median']:9,.0f} Gop/s = "
            f"{bound['words_per_s']:,.0f} {results['corpus']['unit']}/s"
            f" (multiplied in {bound['computed_in']})"
            + (f"\n  and copies {copies['median']:,.0f} GB/s" if copies else "")
        )


def _fastest(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The fastest row of nerx, whose stages are worth a look."""
    own = [row for row in measured(results) if "stages" in row]
    return sorted(own, key=lambda row: -row["words_per_s"]["median"])[:1]


def _stages(row: dict[str, Any]) -> Iterator[str]:
    yield f"stages of {title(row)}: busy share of {row['wall_s']:.2f} s"
    for name, stage in row["stages"].items():
        lanes = f" on each of {row['streams']} streams" if name == "run" else ""
        bar = "#" * round(stage["share"] * _BAR)
        yield f"  {name:7}|{bar:{_BAR}}| {stage['share']:6.1%}{lanes}"
    waits, engine = row["waits"], row["engine_limit_share"]
    yield (
        f"waiting: the model {max(1 - row['stages']['run']['share'], 0):.1%} of the time, the host"
        f" {waits['model']:.1%} for the model,\n{waits['workers']:.1%} for its workers,"
        f" {waits['input']:.1%} for input"
    )
    if engine:
        yield f"while the model runs, it is at {engine:.0%} of the limit"


def _notes(results: dict[str, Any], absent: Sequence[str]) -> Iterator[str]:
    for row in measured(results):
        if row["differences"] and row["precision"] == "fp32":
            yield f"{title(row)} labels some words otherwise:"
            yield from (f"  {text}" for text in row["differences"])
    yield from (fill(text, _WIDTH, subsequent_indent="  ") for text in absent)


def report_changes(changes: Sequence[Change]) -> str:
    """What became of each ratio."""
    lines = [f"{'against the old results':{_NAME}}{'before':>10}{'now':>10}{'change':>9}"]
    for change in changes:
        verdict = "  SLOWER" if change.worse else ""
        lines.append(
            f"{change.title:{_NAME}}{change.before:10.3f}{change.after:10.3f}"
            f"{change.relative:+9.1%}{verdict}"
        )
    lines.append(f"speed divided by that of {changes[0].measure}")
    return "\n".join(lines)


def report_scaling(scaling: dict[str, Any], name: str) -> str:
    """Time and memory by the number of records."""
    lines = [f"{f'scaling of {name}':{_NAME}}{'records':>12}{'seconds':>12}{'memory':>12}"]
    lines += [
        f"{'':{_NAME}}{one['records']:12,}{one['seconds']:12,.2f}{one['peak_memory_mb']:9,.0f} MB"
        for one in scaling["sizes"]
    ]
    if scaling["time_exponent"] is not None:
        lines.append(
            f"time grows with records to the power of {scaling['time_exponent']:.2f};"
            f" memory by {scaling['mb_per_million_records']:,.0f} MB a million records"
        )
    if scaling["not_run"]:
        sizes = ", ".join(f"{size:,}" for size in scaling["not_run"])
        lines.append(f"not run, for want of time (--minutes): {sizes} records")
    return "\n".join(lines)


def fp16_note(results: dict[str, Any]) -> str | None:
    """What a GPU would add to fp16, estimated from the model's size and the host's work."""
    row = next((row for row in measured(results) if row["precision"] == "fp16"), None)
    operations = results["model"]["operations_per_subword"]
    if row is None or row["device"] != "cpu" or not operations:
        return None
    corpus, host = results["corpus"], ("read", "encode", "batch", "label", "render", "write")
    words = row["words_per_s"]["median"] * row["wall_s"]
    host_rate = words / sum(row["stages"][name]["seconds"] for name in host)
    gpu_rate = _GPU_OPS / operations * corpus["words"] / corpus["subwords"]
    return fill(
        "fp16 on a CPU is computed in fp32: it halves the file, not the time. A GPU at"
        f" {_GPU_OPS / 1e12:.0f} Top/s (half of an H100's fp16 peak) would run this model at"
        f" {gpu_rate:,.0f} {corpus['unit']}/s at the most; one core here reads, encodes and"
        f" decodes {host_rate:,.0f}, so to feed it would take {gpu_rate / host_rate:,.0f}"
        " --workers. Estimated.",
        _WIDTH,
    )
