"""Sweeps where runs are expected: the runs of their best settings take their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from lmrun.errors import RunDirectoryError
from lmrun.sweep.layout import SweepDirectory, find_sweep

MOST = 8
"""Settings: more than a figure or a table can show side by side."""


def with_runs_of_sweeps(names: Sequence[str], runs_dir: Path) -> list[str]:
    """Return the names as they are, but for each sweep those of the runs of its best settings.

    Raises:
        RunDirectoryError: None of a sweep's runs has ended.
    """
    found: list[str] = []
    for name in names:
        # Not every word that a user types is looked up: it may be an optimizer's name.
        sweep = find_sweep(name, runs_dir) if "sweep-" in name else None
        found += [name] if sweep is None else _best(sweep)
    return list(dict.fromkeys(found))


def _best(sweep: SweepDirectory) -> list[str]:
    from lmrun.status import Status
    from lmrun.sweep.results import BAD, ranked, read_results
    from lmrun.sweep.store import read_plan

    settings = ranked(read_results(sweep, read_plan(sweep)))
    ended = {*map(str, Status)} - BAD
    runs = [[str(run.entry.run.path) for run in one.runs if run.state in ended] for one in settings]
    kept = [names for names in runs if names]
    if not kept:
        raise RunDirectoryError(
            f"None of the runs of {sweep.name} has come to an end. Go on with it: lmrun sweep {sweep.path}"
        )
    if len(kept) > MOST:
        typer.echo(
            f"The best {MOST} of {len(kept)} settings of {sweep.name}; name runs to see others.", err=True
        )
    return [name for names in kept[:MOST] for name in names]
