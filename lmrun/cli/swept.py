"""Sweeps where runs are expected: the runs of their best settings take their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory
from lmrun.sweep.layout import SweepDirectory, find_sweep

MOST = 8
"""Settings: more than a figure or a table can show side by side."""


def apart(names: Sequence[str], runs_dir: Path) -> tuple[list[SweepDirectory], list[str]]:
    """Return the sweeps among some names, and the other names."""
    sweeps = {name: find_sweep(name, runs_dir) for name in names}
    return [one for one in sweeps.values() if one is not None], [
        name for name in names if sweeps[name] is None
    ]


def runs_begun(sweep: SweepDirectory) -> list[RunDirectory]:
    """Return the runs of a sweep that have a directory.

    Raises:
        RunDirectoryError: Its plan is damaged.
    """
    from lmrun.sweep.store import read_plan

    runs = (RunDirectory(sweep.runs_dir / run.name) for run in read_plan(sweep).runs)
    return [run for run in runs if run.begun]


def with_runs_of_sweeps(names: Sequence[str], runs_dir: Path) -> list[str]:
    """Return the names as they are, but for each sweep those of the runs of its best settings.

    Raises:
        RunDirectoryError: None of a sweep's runs has ended.
    """
    found: list[str] = []
    for name in names:
        sweep = find_sweep(name, runs_dir)
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
