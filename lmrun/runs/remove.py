"""Removing a run directory: it vanishes as a whole, and nothing that is no run ever does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import temporary_name
from lmrun.runs.find import find_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import is_held


def find_any(name: str, runs_dir: Path) -> RunDirectory:
    """Return a run as `find_run` does, or a damaged one by its whole name or path.

    Raises:
        RunDirectoryError: There is none.
    """
    for path in (runs_dir / name, Path(name).expanduser()):
        run = RunDirectory(path)
        if (
            name
            and path.is_dir()
            and not path.is_symlink()
            and run.begun
            and path.name not in {"", ".", ".."}
        ):
            return run
    return find_run(name, runs_dir)


def refuse_running(run: RunDirectory) -> None:
    """Raise for a run that a process is training.

    Raises:
        RunDirectoryError: It is.
    """
    if is_held(run):
        raise RunDirectoryError(f"The run {run.name} is being trained; stop it first. Nothing is removed.")


def size_of(run: RunDirectory) -> int:
    """Return the bytes of all files."""
    return sum(path.lstat().st_size for path in run.path.rglob("*") if not path.is_dir())


def remove_run(run: RunDirectory) -> None:
    """Remove a run; it is hidden first, so that no half of it is ever seen.

    Raises:
        RunDirectoryError: It cannot be removed.
    """
    path = run.path.absolute()
    if path.is_symlink():
        raise RunDirectoryError(f"{path} is a link, which lmrun does not follow. Remove it with rm.")
    hidden = path.with_name(temporary_name(path.name))
    try:
        os.rename(path, hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot remove {path}: {error.strerror}. Check the permissions of its folder."
        ) from error
