"""How commands name runs, with completion by the shell."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

import typer

from lmrun.runs.layout import RunDirectory

HELP = "A run: a path, a unique prefix of its name, or latest."


def complete_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs that begin like this, those without a name of their own newest first."""
    fitting = [path.name for path in _folders(context, incomplete) if RunDirectory(path).begun]
    return sorted(fitting, reverse=True) + [word for word in ("latest",) if word.startswith(incomplete)]


def _folders(context: typer.Context, incomplete: str) -> list[Path]:
    folder = Path(context.params.get("runs_dir") or "runs")
    if not folder.is_dir():
        return []
    return [path for path in folder.glob(f"{glob.escape(incomplete)}*") if not path.name.startswith(".")]


def complete_with_comparisons(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs and of stored comparisons that begin like this."""
    from lmrun.compare.document import ComparisonDirectory

    stored = [path.name for path in _folders(context, incomplete) if ComparisonDirectory(path).exists]
    return complete_runs(context, incomplete) + sorted(stored, reverse=True)


def complete_items(context: typer.Context, incomplete: str) -> list[str]:
    """Return what can be compared: optimizers and runs that begin like this."""
    from lmrun.config.optimizers import OPTIMIZER_NAMES

    names = [name for name in OPTIMIZER_NAMES if name.startswith(incomplete)]
    return names + complete_with_comparisons(context, incomplete)


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
RunsOrComparison = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs: a path, a unique prefix of a name, or latest; sweeps; or one stored comparison.",
        show_default=False,
        autocompletion=complete_with_comparisons,
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder of all runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
