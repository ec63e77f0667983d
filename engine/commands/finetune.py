"""`nerx finetune`: trains a token classifier as a recipe says."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..bundles.find import held_bundle
from ..errors import ConfigError


@click.command("finetune")
@click.argument("recipe", default="own")
@click.option(
    "--train", "-t", multiple=True, metavar="FILE",
    help="Training data: CoNLL columns, segmented text, JSONL with tokens and tags, or conll2003 "
    "from the hub. May be repeated.",
)  # fmt: skip
@click.option(
    "--dev", "-d", multiple=True, metavar="FILE",
    help="Data to evaluate on, likewise.",
)  # fmt: skip
@click.option(
    "--base", metavar="DIR|HUB_ID", help="The model to start from; by default the recipe's."
)
@click.option("--revision", help="Commit, branch or tag of a base on the hub.")
@click.option(
    "--teacher", "teachers", multiple=True, metavar="DIR|NAME|HUB_ID",
    help="A model to distil: a bundle, a built-in, a checkpoint. May be repeated.",
)  # fmt: skip
@click.option(
    "--text", multiple=True, metavar="FILE",
    help="Text for the teachers to label, a sentence or a document a line. May be repeated.",
)  # fmt: skip
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="The finished folder."
)
@click.option("--max-steps", type=click.IntRange(min=1), help="Stop after so many steps.")
@click.option("--bf16/--no-bf16", default=None, help="Train in bfloat16, or in fp32.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="Change a hyperparameter of the recipe, for example epochs=5. May be repeated.",
)  # fmt: skip
@click.option(
    "--force", is_flag=True, help="Replace the output, and a stopped run with other options."
)
def command(
    recipe: str,
    base: str | None,
    teachers: tuple[str, ...],
    output: Path,
    bf16: bool | None,
    settings: tuple[str, ...],
    force: bool,
    **options: Any,
) -> None:
    """Train a token classifier as RECIPE says.

    Without a RECIPE the labels are those of the data: give --base, --train and --dev. `distil`
    trains a small model to label as --teacher does. The others make the published and the built-in
    models: albert-conll2003, bert-chinese-ws, nerx-en, nerx-zh and more. The same command again
    goes on with a run that was stopped.
    """
    overrides = dict(_name_and_value(setting) for setting in settings)
    if bf16 is not None:
        overrides["bf16"] = str(bf16).lower()
    try:
        from ...finetune.recipes import Training, find_recipe, override
        from ...finetune.train import finetune
    except ImportError as error:
        raise ConfigError(
            f"nerx finetune needs {error.name}: pip install 'nerx-engine[finetune]'"
        ) from error
    _quiet_libraries()
    chosen = override(find_recipe(recipe), overrides)
    with _checkpoints(teachers) as folders:
        run = Training(
            recipe=chosen,
            base=base or chosen.base,
            output=output,
            teachers=dict(zip(teachers, folders, strict=True)),
            overrides=overrides,
            **options,
        )
        scores = finetune(run, force=force)["dev"]
    click.echo(
        f"{output}: dev precision {scores['precision']:.4f}, recall {scores['recall']:.4f}, "
        f"F1 {scores['f1']:.4f}, accuracy {scores['accuracy']:.4f}"
    )


@contextmanager
def _checkpoints(models: tuple[str, ...]) -> Iterator[list[str]]:
    """The models as `transformers` loads them: bundles are turned into checkpoints meanwhile."""
    with TemporaryDirectory(prefix="nerx-teachers-") as scratch:
        folders = []
        for number, model in enumerate(models):
            folder = model
            if bundle := held_bundle(model):
                from ...export.torch_checkpoint import write_checkpoint

                folder = str(Path(scratch, str(number)))
                write_checkpoint(bundle, Path(folder))
            folders.append(folder)
        yield folders


def _quiet_libraries() -> None:
    """Leaves stderr to the progress; what matters of their warnings comes as an error of nerx."""
    for name in ("transformers", "huggingface_hub"):  # after their import, which sets a level
        logging.getLogger(name).setLevel(logging.ERROR)


def _name_and_value(setting: str) -> tuple[str, str]:
    name, found, value = setting.partition("=")
    if not found:
        raise ConfigError(f"--set {setting}: expected NAME=VALUE, for example epochs=5")
    return name, value
