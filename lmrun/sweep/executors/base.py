"""What every executor offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lmrun.sweep.job import Answer, Job


@dataclass(frozen=True)
class Demands:
    """What an executor is to provide.

    Attributes:
        workers: Runs side by side; None for as many as there is room for.
        cpus: Of a run: its threads.
        gpus: Of a run.
        address: Of a cluster; None for this machine.
        logs: A folder for what workers say.
    """

    workers: int | None
    cpus: int
    gpus: float
    address: str | None
    logs: Path


class Executor(Protocol):
    """Trains jobs side by side.

    Nothing is asked of the order in which jobs end. After `close` no process of it works any more.
    """

    @property
    def free(self) -> int:
        """How many more jobs it takes now."""

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that it works on."""

    def submit(self, job: Job) -> None:
        """Begin a job; only where `free` is above 0."""

    def poll(self, seconds: float) -> list[Answer]:
        """Return what has ended; wait for so long at most where nothing has."""

    def stop(self) -> list[Answer]:
        """Let all running jobs end after their step, with a checkpoint, and return how they ended."""

    def close(self) -> None:
        """End all processes, whatever they do."""


Make = Callable[[Demands], Executor]
