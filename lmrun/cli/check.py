"""`lmrun check`: every problem of a config at once, or that it is valid."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or a shipped config's name.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, such as optimizer.damping.initial=1e-2."),
    ] = None,
) -> None:
    """Check a config: prints that it is valid, or every problem with its line and column (exit code 2)."""
    from lmrun.config.load import load_config

    load_config(config, overrides or ())
    typer.echo(f"{config}: valid")
