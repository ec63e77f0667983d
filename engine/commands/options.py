"""Options that several commands take."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..backends.cores import limit_cores
from ..backends.select import BACKENDS
from ..bundle import PRECISIONS
from ..config import AGGREGATIONS, DECODERS, LabelConfig

F = TypeVar("F", bound=Callable[..., Any])


def model_options(command: F) -> F:
    """Which model, run by what: `model`, `revision`, `backend`, `precision`, `device`."""
    for option in (
        click.option(
            "--device",
            default="auto",
            metavar="auto|cpu|cuda[:N]",
            help="Where to compute; auto takes a GPU if there is one that can be used.",
        ),
        click.option(
            "--precision",
            type=click.Choice(("auto", *PRECISIONS)),
            default="auto",
            help="Precision to compute in; auto takes the fastest that the model has.",
        ),
        click.option(
            "--backend",
            type=click.Choice(("auto", *BACKENDS)),
            default="auto",
            help="Runtime; auto takes the fastest that is installed.",
        ),
        click.option("--revision", help="Branch, tag or commit of a model on the hub."),
        click.option(
            "-m",
            "--model",
            default="en",
            metavar="NAME|DIR|HUB_ID",
            help="Built-in model (en, zh, en-fast, zh-fast); folder of a model; hub id.",
        ),
    ):
        command = option(command)
    return command


def label_options(command: F) -> F:
    """How to label: the fields of `LabelConfig`, which checks them."""
    default = LabelConfig()
    for option in (
        click.option(
            "--batch-tokens",
            type=click.IntRange(min=1),
            help="Subwords a batch with their padding, at most; changes the speed only.",
        ),
        click.option(
            "--overlap",
            default=default.overlap,
            show_default=True,
            help="Subwords that windows of a long document share.",
        ),
        click.option(
            "--decode",
            type=click.Choice(DECODERS),
            default=default.decode,
            show_default=True,
            help="Best legal label sequence, or the best label of each word alone.",
        ),
        click.option(
            "--aggregation",
            type=click.Choice(AGGREGATIONS),
            default=default.aggregation,
            show_default=True,
            help="A word's label is its first subword's, or that of pooled probabilities.",
        ),
    ):
        command = option(command)
    return command


def threads_option(command: F) -> F:
    """Bounds the cores of the command and of all that it starts, as soon as it is read."""

    def limit(context: click.Context, parameter: click.Parameter, value: int | None) -> None:
        if value is not None:
            limit_cores(value)

    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        callback=limit,
        expose_value=False,
        help="Cores to use  [default: all that the process may use]",
    )(command)


def token_column_option(command: F) -> F:
    """Which column of CoNLL holds the tokens: `token_column`, from 1."""
    return click.option(
        "--token-column",
        type=click.IntRange(min=1),
        help="Column of CoNLL that holds the token  [default: 1]",
    )(command)


class Workers(click.ParamType[int | None]):
    """A number of processes, or "auto", which is None."""

    name = "workers"

    def convert(self, value: Any, *_: Any) -> int | None:
        if value == "auto":
            return None
        if not str(value).isdigit():
            self.fail(f"{value!r} is neither auto nor a number of processes")
        return int(value)


def given(name: str) -> bool:
    """Whether the parameter of that name stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source == click.core.ParameterSource.COMMANDLINE
