"""How commands name runs, with completion by the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = "A run: a path, a unique prefix of its name, or latest."


def complete_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs that begin like this, the newest first."""
    folder = Path(context.params.get("runs_dir") or "runs")
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    fitting = [name for name in names if name.startswith(incomplete) and not name.startswith(".")]
    return sorted(fitting, reverse=True) + [word for word in ("latest",) if word.startswith(incomplete)]


def complete_items(context: typer.Context, incomplete: str) -> list[str]:
    """Return what can be compared: optimizers and runs that begin like this."""
    from lmrun.config.optimizers import OPTIMIZER_NAMES

    names = [name for name in OPTIMIZER_NAMES if name.startswith(incomplete)]
    return names + complete_runs(context, incomplete)


Run = Annotated[
    str, typer.Argument(metavar="RUN", help=HELP, show_default=False, autocompletion=complete_runs)
]
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs: a path, a unique prefix of a name, or latest.",
        show_default=False,
        autocompletion=complete_runs,
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder of all runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
