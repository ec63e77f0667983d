"""`nerx finetune`: trains a token classifier as a recipe says."""

import logging
from pathlib import Path

import click

from ..errors import ConfigError


@click.command("finetune")
@click.argument("recipe")
@click.option(
    "--train", "-t", multiple=True, required=True, metavar="FILE",
    help="Training data: CoNLL columns, segmented text, JSONL with tokens and tags, or conll2003 "
    "from the hub. May be repeated.",
)  # fmt: skip
@click.option(
    "--dev", "-d", multiple=True, required=True, metavar="FILE",
    help="Data to evaluate on, likewise.",
)  # fmt: skip
@click.option(
    "--base", metavar="DIR|HUB_ID", help="The model to start from; by default the recipe's."
)
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
    train: tuple[str, ...],
    dev: tuple[str, ...],
    base: str | None,
    output: Path,
    max_steps: int | None,
    bf16: bool | None,
    settings: tuple[str, ...],
    force: bool,
) -> None:
    """Train a token classifier as RECIPE says.

    RECIPE is albert-conll2003, bert-chinese-ws, nerx-en or nerx-zh. The same command again goes on
    with a run that was stopped.
    """
    overrides = dict(_name_and_value(setting) for setting in settings)
    if bf16 is not None:
        overrides["bf16"] = str(bf16).lower()
    try:
        from ...finetune.recipes import Run, find_recipe, override
        from ...finetune.train import finetune
    except ImportError as error:
        raise ConfigError(
            f"nerx finetune needs {error.name}: pip install 'nerx-engine[finetune]'"
        ) from error
    _quiet_libraries()
    chosen = override(find_recipe(recipe), overrides)
    run = Run(
        recipe=chosen,
        train=train,
        dev=dev,
        base=base or chosen.base,
        output=output,
        max_steps=max_steps,
        overrides=overrides,
    )
    scores = finetune(run, force=force)["dev"]
    click.echo(
        f"{output}: dev precision {scores['precision']:.4f}, recall {scores['recall']:.4f}, "
        f"F1 {scores['f1']:.4f}, accuracy {scores['accuracy']:.4f}"
    )


def _quiet_libraries() -> None:
    """Leaves stderr to the progress; what matters of their warnings comes as an error of nerx."""
    for name in ("transformers", "huggingface_hub"):  # after their import, which sets a level
        logging.getLogger(name).setLevel(logging.ERROR)


def _name_and_value(setting: str) -> tuple[str, str]:
    name, found, value = setting.partition("=")
    if not found:
        raise ConfigError(f"--set {setting}: expected NAME=VALUE, for example epochs=5")
    return name, value
