"""The names of the files of a sweep; no other module spells them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lmrun.errors import UsageError
from lmrun.runs.files import names_in

PREFIX = "sweep-"


@dataclass(frozen=True)
class SweepDirectory:
    """Where the files of one sweep lie; its runs lie beside it, with its name as their tag.

    Attributes:
        path: The sweep's directory.
    """

    path: Path

    @property
    def name(self) -> str:
        """The sweep's name: the last part of its path."""
        return self.path.name or self.path.resolve().name

    @property
    def runs_dir(self) -> Path:
        """The folder of its runs."""
        return self.path.absolute().parent

    @property
    def source(self) -> Path:
        """The user's file as it was."""
        return self.path / "sweep.yaml"

    @property
    def plan(self) -> Path:
        """All runs, with their resolved configs."""
        return self.path / "plan.json"

    @property
    def events(self) -> Path:
        """What the directories of the runs cannot say: which failed, and why."""
        return self.path / "events.jsonl"

    @property
    def table(self) -> Path:
        """One line per run, for a spreadsheet."""
        return self.path / "runs.csv"

    @property
    def lock(self) -> Path:
        """Held by the process that drives the sweep."""
        return self.path / ".lock"

    @property
    def logs(self) -> Path:
        """What the worker processes wrote to stderr."""
        return self.path / "logs"

    @property
    def exists(self) -> bool:
        """Whether this is a sweep."""
        # Not `Path.is_file`, which raises for a name that is too long.
        return os.path.isfile(self.plan)


def list_sweeps(runs_dir: Path) -> list[SweepDirectory]:
    """Return the sweeps of a folder, by their names."""
    if not runs_dir.is_dir():
        return []
    begun = (SweepDirectory(path) for path in names_in(runs_dir) if path.name.startswith(PREFIX))
    return sorted((sweep for sweep in begun if sweep.exists), key=lambda sweep: sweep.name)


def find_sweep(name: str, runs_dir: Path) -> SweepDirectory | None:
    """Return a sweep by its path, its name, or a prefix of it; None where there is none.

    Raises:
        UsageError: The prefix fits several.
    """
    for path in (runs_dir / name, Path(name).expanduser()):
        sweep = SweepDirectory(path)
        if name and sweep.exists:
            return sweep
    if not name.startswith(PREFIX):
        return None
    fitting = [sweep for sweep in list_sweeps(runs_dir) if sweep.name.startswith(name)]
    if len(fitting) > 1:
        known = ", ".join(sweep.name for sweep in fitting[:10])
        raise UsageError(
            f"'{name}' fits {len(fitting)} sweeps in {runs_dir}: {known}. Type more of the name."
        )
    # A run of a sweep begins with the sweep's name, too.
    return fitting[0] if fitting else None
