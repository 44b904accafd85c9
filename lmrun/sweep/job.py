"""What a worker is asked for, and what it answers: plain data, that pass as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Job:
    """One run, or a part of it.

    Attributes:
        name: Of the run.
        runs_dir: The folder of all runs, absolute.
        config: The resolved config, YAML.
        source: The config that it began from.
        path: That one's file.
        overrides: What the sweep changes, `KEY=VALUE`.
        tag: Of the run.
        command: What the user typed.
        until: Pause when the run has come so far; None to train it to its end.
        unit: What that counts: `steps`, `epochs` or `seconds`.
    """

    name: str
    runs_dir: str
    config: str
    source: str
    path: str
    overrides: tuple[str, ...]
    tag: str
    command: tuple[str, ...]
    until: float | None = None
    unit: str = "steps"


class Kind(StrEnum):
    """How a job ended."""

    DONE = "done"
    """The run has ended, or come as far as asked."""
    INTERRUPTED = "interrupted"
    """It was asked to stop, and can be resumed."""
    FAILED = "failed"
    """It cannot be trained; again it would end in the same way."""
    CRASHED = "crashed"
    """Its process died."""


@dataclass(frozen=True)
class Answer:
    """How a job ended.

    Attributes:
        name: Of the run.
        kind: How.
        reason: A sentence, where it was not done.
        code: The exit code that `lmrun train` would have had.
    """

    name: str
    kind: Kind
    reason: str = ""
    code: int = 0
