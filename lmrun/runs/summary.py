"""How a run ended, for people and programs: `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError
from lmrun.runs.checksums import check_file
from lmrun.runs.files import read_json, write_sealed_json
from lmrun.runs.layout import RunDirectory

SCHEMA_VERSION = 1


def write_summary(run: RunDirectory, summary: Mapping[str, Any]) -> None:
    """Replace the summary as a whole; NaN and infinities become null, a `schema_version` is added.

    Raises:
        StorageError: It cannot be written.
    """
    write_sealed_json(run.summary, {"schema_version": SCHEMA_VERSION, **summary})


def read_summary(run: RunDirectory) -> dict[str, Any] | None:
    """Return the summary, or None for a run that has not ended.

    Raises:
        RunDirectoryError: It is damaged.
    """
    return read_json(run.summary) if run.summary.exists() else None


def check_result(run: RunDirectory, path: Path) -> None:
    """Refuse a file of a run that has ended which is not the one that was written.

    Args:
        run: The run; where its summary is damaged, nothing is known of the file.
        path: One of its results.

    Raises:
        RunDirectoryError: It has another SHA-256.
    """
    try:
        summary = read_summary(run)
    except RunDirectoryError:
        # Who needs the summary says so.
        return
    check_file(run, path, summary)
