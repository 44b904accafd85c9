"""The command line: one module per command, none of which imports TensorFlow or NumPy before it computes."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Annotated, Any

import typer

from lmrun import __version__
from lmrun.errors import LmrunError, StorageError

COMMANDS: dict[str, str] = {
    "train": "lmrun.cli.train",
    "fit": "lmrun.cli.fit",
    "compare": "lmrun.cli.compare",
    "sweep": "lmrun.cli.sweep",
    "plot": "lmrun.cli.plot",
    "report": "lmrun.cli.report",
    "predict": "lmrun.cli.predict",
    "export": "lmrun.cli.export",
    "ls": "lmrun.cli.ls",
    "show": "lmrun.cli.show",
    "rm": "lmrun.cli.rm",
    "tag": "lmrun.cli.tag",
    "note": "lmrun.cli.tag",
    "check": "lmrun.cli.check",
    "init": "lmrun.cli.init",
    "schema": "lmrun.cli.schema",
    "doctor": "lmrun.cli.doctor",
}
"""Each command and the module that has the function of its name, in the order of the help."""

DEBUG = "LMRUN_DEBUG"
STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""A disk, or a share of it, is full; it may only be read; a file may not grow further."""

# Plain help and usage errors: Rich would add a fifth of a second to each call.
app = typer.Typer(
    name="lmrun",
    help="Train small networks and formulas to instrument accuracy.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lmrun {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train small networks and formulas to instrument accuracy."""


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn an error that lmrun raises on purpose into its text on stderr and its exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except LmrunError as error:
            if os.environ.get(DEBUG):
                raise
            typer.echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno not in STORAGE or os.environ.get(DEBUG):
                raise
            # Where no module knows of a better sentence.
            where = f" {error.filename}" if error.filename else ""
            typer.echo(f"Cannot write{where}: {error.strerror}. Make room, or write elsewhere.", err=True)
            raise typer.Exit(StorageError.exit_code) from None

    return run


for _name, _module in COMMANDS.items():
    app.command(_name)(guarded(getattr(import_module(_module), _name)))


def last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Name an error that nobody expected; Python then exits with code 1."""
    if os.environ.get(DEBUG):
        sys.__excepthook__(kind, error, trace)
    elif not issubclass(kind, KeyboardInterrupt):
        typer.echo(f"lmrun: unexpected {kind.__name__}: {error}", err=True)
        typer.echo(f"This is a mistake in lmrun. {DEBUG}=1 shows where it happened.", err=True)


def main() -> None:
    """Run the command line; exit codes as in `lmrun.errors`, 130 when interrupted, 1 for the unexpected."""
    command = typer.main.get_command(app)
    # Not `app()`, which would put Typer's own hook in place.
    sys.excepthook = last_words
    command()
