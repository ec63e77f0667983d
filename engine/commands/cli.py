"""The command line: a group whose commands are imported when they are called."""

import os
import sys
from importlib import import_module
from typing import Any

import click

from ..errors import ConfigError, NerxError
from ..run.memory import collect_rarely
from .exit_codes import FATAL, INTERRUPTED, USAGE

_COMMANDS = {
    "tag": (".tag", "Label a corpus: entities, or words of Chinese text."),
    "view": (".view", "Show labelled records, or where two labellings differ, as a page."),
    "eval": (".evaluate", "Score a model on gold data."),
    "bench": (
        "...benchmarks.command",
        "Measure speed, beside other libraries and the machine's limit.",
    ),
    "export": (".export", "Turn a model into a bundle that the runtimes load."),
    "finetune": (".finetune", "Train the reference models and the built-in ones."),
    "cache": (".cache", "List what is kept because it can be made again, and clear it."),
    "info": (".info", "Show what this machine can run and which models are built in."),
}


class _LazyGroup(click.Group):
    """Finds a command in a module, named from here; its help needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(_COMMANDS[cmd_name][0], __package__)
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; click would end with 1 where the reader of a pipe has had enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_stdout()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"max_content_width": 100})
@click.version_option(package_name="nerx-engine", prog_name="nerx", message="%(prog)s %(version)s")
def cli() -> None:
    """Label very large text corpora with transformer token classifiers."""


def main(command: click.Command = cli) -> None:
    """Runs the command line, or a tool's own, and exits with its code; no traceback is seen."""
    collect_rarely()
    sys.exit(_run(command))


def _run(command: click.Command) -> int:
    try:
        code = command(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (NerxError, OSError, MemoryError) as error:
        click.echo(f"error: {error or type(error).__name__}", err=True)
        return USAGE if isinstance(error, ConfigError) else FATAL
    return code if isinstance(code, int) else 0


def _discard_stdout() -> None:
    """Lets what is left to write go nowhere: its reader has what it wanted, as in `| head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
