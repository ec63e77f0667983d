"""The model card, the learning curve and the metrics of a run, in Hugging Face's layout."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from matplotlib.figure import Figure

FIGURES = ("precision", "recall", "f1", "accuracy")


def write_card(folder: Path, report: dict[str, Any]) -> None:
    """Writes metrics.json, README.md and learning_curve.png."""
    metrics = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / "metrics.json").write_text(metrics, encoding="utf-8")
    learning_curve(report).savefig(folder / "learning_curve.png", dpi=120)
    (folder / "README.md").write_text(card(report), encoding="utf-8")


def card(report: dict[str, Any]) -> str:
    """The model card, as Markdown with front matter."""
    scores = report["dev"]
    sections = [
        f"---\n{front_matter(report)}\n---",
        f"# {report['recipe']}",
        f"Fine-tuned from `{report['base']}` by the nerx recipe `{report['recipe']}`. "
        "On the dev data, by arg max and without repair of illegal label sequences:",
        _list({name.capitalize(): f"{scores[name]:.4f}" for name in ("loss", *FIGURES)}),
        *_published(report),
        "## Dev scores by type and file",
        _by_type(report["dev_by_type"]),
        _by_file(report["dev_by_file"]),
        "## Training data",
        _data_files(report["data"]),
        "## Training hyperparameters",
        _list(_hyperparameters(report)),
        *_overrides(report["overrides"]),
        "## Training results",
        _results(report["history"]),
        "![Learning curve](learning_curve.png)",
        f"{report['steps']} steps in {report['seconds'] / 60:.1f} minutes"
        f"{' since the run was resumed' if report['resumed'] else ''} on {report['device']}, "
        f"{report['peak_memory_bytes'] / 2**30:.1f} GiB at the peak.",
        "## Framework versions",
        _list(report["versions"]),
    ]
    return "\n\n".join(sections) + "\n"


def front_matter(report: dict[str, Any]) -> str:
    """The YAML block that the hub reads, with a model-index."""
    dev_files = ", ".join(file["file"] for file in report["data"]["dev"])
    return ModelCardData(
        language=report["language"],
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=report["base_model"],
        tags=["token-classification", report["task"]],
        metrics=list(FIGURES),
        model_name=report["recipe"],
        eval_results=[
            EvalResult(
                task_type="token-classification",
                task_name="Token Classification",
                dataset_type=dev_files,
                dataset_name=dev_files,
                dataset_split="dev",
                metric_type=name,
                metric_value=round(report["dev"][name], 4),
            )
            for name in FIGURES
        ],
    ).to_yaml()


def learning_curve(report: dict[str, Any]) -> Figure:
    """Training loss, dev loss and dev F1 over the steps."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    losses = figure.subplots()
    losses.set(xlabel="step", ylabel="loss", yscale="log", title=report["recipe"])
    scores = losses.twinx()
    scores.set_ylabel("dev F1")
    drawn = [
        *losses.plot(*_series(report["history"], "loss"), color="tab:gray", label="training loss"),
        *losses.plot(*_series(report["history"], "eval_loss"), "o-", label="dev loss"),
        *scores.plot(*_series(report["history"], "eval_f1"), "s-", color="tab:red", label="dev F1"),
    ]
    losses.legend(handles=drawn, loc="center right")
    return figure


def _series(history: list[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    rows = [row for row in history if name in row]
    return [row["step"] for row in rows], [row[name] for row in rows]


def _published(report: dict[str, Any]) -> list[str]:
    """This run beside the card that the recipe reproduces, if it has one."""
    published = report["hyperparameters"]["card"]
    if published is None:
        return []
    rows = [
        [
            name,
            f"{100 * report['dev'][name]:.2f}",
            f"{100 * published[name]:.2f}",
            f"{100 * (report['dev'][name] - published[name]):+.2f}",
        ]
        for name in FIGURES
    ]
    loss = report["dev"]["loss"]
    rows.append(
        ["loss", f"{loss:.4f}", f"{published['loss']:.4f}", f"{loss - published['loss']:+.4f}"]
    )
    step = report["kept_step"]
    rows.append(["step", str(step), str(published["step"]), f"{step - published['step']:+d}"])
    return [
        "## Beside the published card",
        _table(["", "this run", "published", "difference, points"], rows),
    ]


def _by_type(types: dict[str, dict[str, float]]) -> str:
    rows = [
        [kind or "word", *(f"{scores[name]:.4f}" for name in FIGURES[:3]), str(scores["spans"])]
        for kind, scores in types.items()
    ]
    return _table(["Type", "Precision", "Recall", "F1", "Spans"], rows)


def _by_file(files: dict[str, dict[str, float]]) -> str:
    rows = [[file, *(f"{scores[name]:.4f}" for name in FIGURES)] for file, scores in files.items()]
    return _table(["File", "Precision", "Recall", "F1", "Accuracy"], rows)


def _data_files(data: dict[str, list[dict[str, Any]]]) -> str:
    rows = [
        [split, file["file"], str(file["sentences"]), file["sha256"] or "from the hub"]
        for split, files in data.items()
        for file in files
    ]
    return _table(["Split", "File", "Sentences", "SHA-256"], rows)


def _hyperparameters(report: dict[str, Any]) -> dict[str, Any]:
    described = ("name", "base", "language", "task", "card")
    values = {k: v for k, v in report["hyperparameters"].items() if k not in described}
    return values | {"optimizer": "AdamW", "lr_scheduler_type": "linear"}


def _overrides(overrides: dict[str, str]) -> list[str]:
    if not overrides:
        return []
    changed = ", ".join(f"`{name}={value}`" for name, value in overrides.items())
    return [f"Changed from the recipe: {changed}."]


def _results(history: list[dict[str, float]]) -> str:
    rows, training_loss = [], "no log"
    for row in history:
        if "loss" in row:
            training_loss = f"{row['loss']:.4f}"
        elif "eval_loss" in row:
            scores = [f"{row['eval_' + name]:.4f}" for name in ("loss", *FIGURES)]
            rows.append([training_loss, f"{row['epoch']:.2f}", str(row["step"]), *scores])
    names = ["Validation Loss", "Precision", "Recall", "F1", "Accuracy"]
    return _table(["Training Loss", "Epoch", "Step", *names], rows)


def _list(values: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple | list) else str(value)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
