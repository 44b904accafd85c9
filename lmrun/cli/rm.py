"""`lmrun rm`: remove runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmrun.cli.choosing import Runs, RunsDir
from lmrun.errors import UsageError


def rm(
    runs: Runs,
    runs_dir: RunsDir = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs, or sweeps and their runs, with everything in them, after a question."""
    from lmrun.cli.swept import apart, runs_begun
    from lmrun.runs.remove import find_any, refuse_running, remove_run, sizes
    from lmrun.sweep.store import remove_sweep

    sweeps, names = apart(runs, runs_dir)
    named = [find_any(name, runs_dir) for name in names] + [run for one in sweeps for run in runs_begun(one)]
    found = list({run.path.resolve(): run for run in named}.values())
    for run in found:
        refuse_running(run)
    for run in found:
        typer.echo(f"{run.path}  {sum(size for _, size in sizes(run)) / 1e6:.1f} MB", err=True)
    if not yes:
        number = "this run" if len(found) == 1 else f"these {len(found)} runs"
        try:
            sure = typer.confirm(f"Remove {number} for good?", err=True)
        except typer.Abort:
            raise UsageError(
                "Nothing is removed: there was no answer. --yes removes without asking."
            ) from None
        if not sure:
            typer.echo("Nothing is removed.", err=True)
            return
    for run in found:
        remove_run(run)
    for sweep in sweeps:
        remove_sweep(sweep)
