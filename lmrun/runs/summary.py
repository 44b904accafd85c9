"""How a run ended, for people and programs: `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmrun.runs.files import read_json, write_json_atomically
from lmrun.runs.layout import RunDirectory

SCHEMA_VERSION = 1


def write_summary(run: RunDirectory, summary: Mapping[str, Any]) -> None:
    """Replace the summary as a whole; NaN and infinities become null, a `schema_version` is added.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    write_json_atomically(run.summary, {"schema_version": SCHEMA_VERSION, **summary})


def read_summary(run: RunDirectory) -> dict[str, Any] | None:
    """Return the summary, or None for a run that has not ended.

    Raises:
        RunDirectoryError: It is damaged.
    """
    return read_json(run.summary) if run.summary.exists() else None
