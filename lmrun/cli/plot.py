"""`lmrun plot`: figures of finished runs."""

from __future__ import annotations

from typing import Annotated

import typer

from lmrun.errors import UsageError


def plot(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: a path, a prefix, or latest.")],
) -> None:
    """Draw the loss of a run."""
    raise UsageError(f"Plotting is not installed; the run '{run}' is left as it is.")
