"""`lmrun init`: a commented config to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`table`, `formula`, or the name of a shipped config.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it. [default: NAME.yaml]"),
    ] = None,
) -> None:
    """Write a commented config to start from; never overwrites a file."""
    from lmrun.config.templates import template
    from lmrun.errors import UsageError

    text = template(name)
    path = output or Path(f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"'{path}' exists and is left as it is; choose another name with -o FILE.") from None
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from None
    typer.echo(f"Wrote {path}. Edit it, then: lmrun check {path} and lmrun train {path}", err=True)
