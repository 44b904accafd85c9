"""Sweeps of tiny runs, trained in this process."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.sweep.executors import registry
from lmrun.sweep.executors.base import Demands
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.training import train
from lmrun.training.interrupt import Interruption


@dataclass
class HereExecutor:
    """One job at a time in this process; what a job does can be scripted.

    Attributes:
        script: Answers by the number of the job, from 1, in the place of its training.
        interrupt: The number of the job at which the user types Ctrl-C; the job itself still ends.
        jobs: All that it was given.
    """

    script: dict[int, Kind] = field(default_factory=dict)
    interrupt: int | None = None
    jobs: list[Job] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    interruption: Interruption = field(default_factory=Interruption)
    closed: bool = False

    @property
    def free(self) -> int:
        return 1 - len(self.waiting)

    @property
    def running(self) -> Sequence[Job]:
        return self.waiting

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self.waiting = [job]
        if len(self.jobs) == self.interrupt:
            os.kill(os.getpid(), signal.SIGINT)

    def poll(self, seconds: float) -> list[Answer]:
        (job,), self.waiting = self.waiting, []
        kind = self.script.get(len(self.jobs))
        if kind is None:
            return [train(job, self.interruption)]
        return [Answer(job.name, kind, f"scripted {kind}", 3 if kind is Kind.FAILED else 1)]

    def stop(self) -> list[Answer]:
        return [Answer(job.name, Kind.INTERRUPTED) for job in self.waiting]

    def close(self) -> None:
        self.closed = True


class Sweeps:
    """`lmrun sweep` in a folder of its own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.executor = HereExecutor()
        self.runs = folder / "runs"

        def make(name: str, demands: Demands) -> HereExecutor:
            assert name == "local"
            return self.executor

        patch.setattr(registry, "make_executor", make)

    def __call__(
        self, *arguments: str, script: dict[int, Kind] | None = None, interrupt: int | None = None
    ) -> Result:
        self.executor = HereExecutor(script or {}, interrupt)
        return CliRunner().invoke(app, ["sweep", *arguments])

    def read(self, *arguments: str, script: dict[int, Kind] | None = None) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self(*arguments, "--json", "--quiet", script=script).stdout)
        return document

    @property
    def trained(self) -> list[str]:
        """The last four digits of the runs that the last command trained, in their order."""
        return [job.name[-4:] for job in self.executor.jobs]


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    monkeypatch.chdir(tmp_path)
    return Sweeps(tmp_path, monkeypatch)
