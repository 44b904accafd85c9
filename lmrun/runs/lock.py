"""One process at a time trains a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory

_PATIENCE = 0.3
"""Seconds: a look at the lock (`is_held`) takes it for a moment."""


def is_held(run: RunDirectory) -> bool:
    """Whether a process is training the run."""
    if not run.lock.exists():
        return False
    try:
        with FileLock(run.lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        # A lock that may not be opened is somebody else's; whether it is held, nobody can tell from here.
        return False


@contextmanager
def alone(run: RunDirectory) -> Iterator[None]:
    """Hold the run; the operating system lets go of it when the process ends, however it ends.

    Raises:
        RunDirectoryError: Another process holds it.
    """
    lock = FileLock(run.lock)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise RunDirectoryError(
            f"The run {run.name} is being trained by another process; wait for it to end, or stop it first."
        ) from error
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot hold the run {run.name} ({run.lock}: {error.strerror}): it may not be written to. "
            "Copy it to a folder of your own."
        ) from error
    try:
        yield
    finally:
        lock.release()
