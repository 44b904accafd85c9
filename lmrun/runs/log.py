"""The log of a run: a line for each thing that happened to it."""

from __future__ import annotations

from contextlib import suppress

from lmrun.runs.layout import RunDirectory


def log_line(run: RunDirectory, line: str) -> None:
    """Add a line to the log; where that cannot be written, the files that a run needs say so."""
    with suppress(OSError), run.log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
