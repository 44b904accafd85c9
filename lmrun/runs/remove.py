"""Removing a run directory: it vanishes as a whole, and nothing that is no run ever does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import temporary_name
from lmrun.runs.find import find_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone, is_held


def find_any(name: str, runs_dir: Path) -> RunDirectory:
    """Return a run as `find_run` does, or a damaged one by its path, or its name in the folder of all runs.

    Raises:
        RunDirectoryError: There is none.
    """
    for path in (runs_dir / name, Path(name).expanduser()):
        damaged = RunDirectory(path)
        if name and os.path.isdir(path) and damaged.begun and not damaged.exists:
            return damaged
    return find_run(name, runs_dir)


def refuse_running(run: RunDirectory) -> None:
    """Raise for a run that a process is training.

    Raises:
        RunDirectoryError: It is.
    """
    if is_held(run):
        raise RunDirectoryError(f"The run {run.name} is being trained; stop it first. Nothing is removed.")


def sizes(run: RunDirectory) -> list[tuple[Path, int]]:
    """Return all files but hidden ones with their bytes; one that vanishes meanwhile is left out."""
    found = []
    for path in sorted(run.path.rglob("*")):
        if path.name.startswith(".") or path.is_dir():
            continue
        try:
            found.append((path, path.lstat().st_size))
        except FileNotFoundError:
            # The oldest checkpoint of a run that trains.
            continue
    return found


def remove_run(run: RunDirectory) -> None:
    """Remove a run; it is hidden first, so that no half of it is ever seen, and held while it is.

    Raises:
        RunDirectoryError: It cannot be removed, or a process is training it.
    """
    path = run.path.absolute()
    if path.is_symlink():
        raise RunDirectoryError(f"{path} is a link, which lmrun does not follow. Remove it with rm.")
    hidden = path.with_name(temporary_name(path.name))
    with alone(run):
        try:
            os.rename(path, hidden)
        except OSError as error:
            raise RunDirectoryError(
                f"Cannot remove {path}: {error.strerror}. Check the permissions of its folder."
            ) from error
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunDirectoryError(
            f"{path.name} is no run any more, but {hidden} cannot be removed: {error.strerror}."
        ) from error
