"""From what a user types to a run directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from lmrun.errors import RunDirectoryError
from lmrun.runs.create import LATEST
from lmrun.runs.files import names_in, read_json
from lmrun.runs.layout import RunDirectory

_SHOWN = 10


def find_run(name: str, runs_dir: Path) -> RunDirectory:
    """Return the run meant by `latest`, a name, a path, or a unique prefix of a name, tried in this order.

    Raises:
        RunDirectoryError: None or more than one fits; the message lists the candidates.
    """
    runs = list_runs(runs_dir)
    if name == LATEST and runs:
        return runs[-1]
    by_name = {run.name: run for run in runs}
    if name in by_name:
        return by_name[name]
    path = Path(name).expanduser()
    # Not `Path.is_dir`, which raises for a name that is too long.
    if name and os.path.isdir(path):
        if RunDirectory(path).exists:
            return RunDirectory(path)
        raise RunDirectoryError(
            f"{path} is not a run directory: config.yaml or manifest.json is missing. "
            "Give a run's name or path, or `latest`."
        )
    candidates = [known for known in by_name if name and known.startswith(name)]
    if len(candidates) == 1:
        return by_name[candidates[0]]
    if candidates:
        raise RunDirectoryError(
            f"'{name}' fits {len(candidates)} runs in {runs_dir}: {_some(candidates)}. Type more of the name."
        )
    raise RunDirectoryError(_unknown(name, list(by_name), runs_dir))


def list_runs(runs_dir: Path) -> list[RunDirectory]:
    """Return the runs of a folder, the oldest first; what is hidden or half made is left out."""
    if not runs_dir.is_dir():
        return []
    runs = (RunDirectory(path) for path in names_in(runs_dir) if not path.name.startswith("."))
    return sorted((run for run in runs if run.exists), key=_age)


def _age(run: RunDirectory) -> tuple[str, str]:
    try:
        started = read_json(run.manifest).get("started")
    except RunDirectoryError:
        started = None
    if not isinstance(started, str):
        started = datetime.fromtimestamp(run.config.stat().st_mtime, UTC).isoformat(timespec="microseconds")
    return started, run.name


def _unknown(name: str, known: list[str], runs_dir: Path) -> str:
    if not known:
        return f"There is no run '{name}': {runs_dir} holds no runs. Start one with `lmrun train sinc`."
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"Nearest: {', '.join(near)}." if near else f"Known: {_some(known)}."
    return f"There is no run '{name}' in {runs_dir}. {hint}"


def _some(names: list[str]) -> str:
    """The newest few, the newest first."""
    shown = ", ".join(reversed(names[-_SHOWN:]))
    return f"{shown} and {len(names) - _SHOWN} older ones" if len(names) > _SHOWN else shown
