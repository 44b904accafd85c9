"""One process at a time trains a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory


@contextmanager
def alone(run: RunDirectory) -> Iterator[None]:
    """Hold the run; the operating system lets go of it when the process ends, however it ends.

    Raises:
        RunDirectoryError: Another process holds it.
    """
    lock = FileLock(run.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunDirectoryError(
            f"The run {run.name} is being trained by another process; wait for it to end, or stop it first."
        ) from error
    try:
        yield
    finally:
        lock.release()
