"""Train the runs of a sweep, from wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lmrun.runs.files import number
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import write_summary
from lmrun.status import FAILURES, MESSAGES, Status
from lmrun.sweep.executors.base import Executor
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.layout import SweepDirectory
from lmrun.sweep.plan import Plan, PlannedRun
from lmrun.sweep.stopping import NEVER, READ, RULES, Course, checks, course
from lmrun.sweep.store import CRASHED, FAILED, Failure, append, failures
from lmrun.sweep.training import has_ended, known_summary
from lmrun.training.interrupt import Interruption

POLL_SECONDS = 0.2


class Display(Protocol):
    """What the driver tells whoever watches."""

    def begin(self, check: str, jobs: int) -> None:
        """Begin to train so many runs, to their ends or to the next comparison."""

    def show(self, running: Sequence[Job]) -> None:
        """Show what is being trained; called a few times per second."""

    def ended(self, answer: Answer) -> None:
        """A job has ended."""

    def stopping(self, running: int) -> None:
        """So many runs are asked to finish their step."""

    def pruned(self, names: Sequence[str], left: int) -> None:
        """Runs were ended early; so many settings are left."""


@dataclass
class Driver:
    """Everything that the training of a sweep needs.

    Attributes:
        sweep: Its directory.
        plan: Its runs.
        executor: Makes the one that trains: only where something is left to train.
        display: Who watches.
        interruption: Asks for an end.
        command: What the user typed.
    """

    sweep: SweepDirectory
    plan: Plan
    executor: Callable[[], Executor]
    display: Display
    interruption: Interruption
    command: tuple[str, ...]
    _failed: dict[str, Failure] = field(default_factory=dict)
    _made: Executor | None = None

    def train(self) -> bool:
        """Train what is left; return whether all of it is done, False after an interruption.

        Raises:
            LmrunError: The sweep's directory cannot be written, or the executor not be had.
        """
        self._failed = failures(self.sweep)
        try:
            return self._stages()
        finally:
            if self._made is not None:
                self._made.close()

    def _stages(self) -> bool:
        rule = self.plan.settings.stop_early
        alive = sorted({run.point for run in self.plan.runs})
        for check in checks(rule, len(alive)):
            assert rule is not None, "no checks without a rule"
            if not self._come(alive, rule.unit, check):
                return False
            if not any(self._goes_on(run) for run in self._runs(alive)):
                break
            left = RULES[rule.name](rule, self._courses(alive, rule.unit, check), alive)
            self._prune([run for run in self._runs(alive) if run.point not in left], len(left))
            alive = left
        return self._come(alive, "", None)

    def _runs(self, alive: Sequence[int]) -> list[PlannedRun]:
        points = {*alive}
        return [run for run in self.plan.runs if run.point in points]

    def _directory(self, name: str) -> RunDirectory:
        return RunDirectory(self.sweep.runs_dir / name)

    def _goes_on(self, run: PlannedRun) -> bool:
        """Whether a run is neither ended nor failed."""
        if run.name in self._failed:
            return False
        return not has_ended(self._directory(run.name))

    def _come(self, alive: Sequence[int], unit: str, check: float | None) -> bool:
        """Train the runs of the settings that are left to a point, or to their ends; False if interrupted."""
        waiting = [run for run in self._runs(alive) if self._goes_on(run)]
        if check is not None:
            waiting = [run for run in waiting if not self._has_come(run, unit, check)]
        if not waiting:
            return not self.interruption.requested
        self.display.begin("" if check is None else f"to {check:g} {unit}", len(waiting))
        jobs = [self._job(run, unit, check) for run in waiting]
        return self._work(jobs)

    def _has_come(self, run: PlannedRun, unit: str, check: float) -> bool:
        directory = self._directory(run.name)
        # That of its last pause: rows may have come further than its checkpoint.
        summary = known_summary(directory)
        if summary is None:
            return False
        return (number(summary.get(unit)) or 0.0) >= check

    def _job(self, run: PlannedRun, unit: str, check: float | None) -> Job:
        return Job(
            name=run.name,
            runs_dir=str(self.sweep.runs_dir),
            config=run.config,
            source=self.plan.base,
            path=str(self.plan.base_path),
            overrides=run.overrides,
            tag=self.sweep.name,
            command=self.command,
            until=check,
            unit=unit,
        )

    def _work(self, jobs: Sequence[Job]) -> bool:
        if self._made is None:
            self._made = self.executor()
        executor, queue = self._made, list(reversed(jobs))
        while queue or executor.running:
            if self.interruption.requested:
                self.display.stopping(len(executor.running))
                for answer in executor.stop():
                    self._note(answer)
                return False
            while queue and executor.free > 0:
                executor.submit(queue.pop())
            by_name = {job.name: job for job in executor.running}
            for answer in executor.poll(POLL_SECONDS):
                if self._note(answer):
                    queue.append(by_name[answer.name])
            self.display.show(executor.running)
        return True

    def _note(self, answer: Answer) -> bool:
        """Write down how a job ended; return whether it is tried again."""
        if answer.kind is Kind.INTERRUPTED and not self.interruption.requested:
            answer = replace(answer, kind=Kind.CRASHED, reason="Its process was asked to end.", code=1)
        if answer.kind in {Kind.FAILED, Kind.CRASHED}:
            event = FAILED if answer.kind is Kind.FAILED else CRASHED
            append(self.sweep, event, [answer.name], answer.reason, answer.code)
            self._failed = failures(self.sweep)
            if answer.name not in self._failed:
                return True
        self.display.ended(answer)
        return False

    def _courses(self, alive: Sequence[int], unit: str, check: float) -> dict[int, list[Course]]:
        found: dict[int, list[Course]] = {point: [] for point in alive}
        for run in self._runs(alive):
            found[run.point].append(self._course(run, unit, check))
        return found

    def _course(self, run: PlannedRun, unit: str, check: float) -> Course:
        directory = self._directory(run.name)
        summary = known_summary(directory)
        if summary is None:
            return NEVER
        # What went wrong later does not count here: a sweep that is continued judges as it did.
        failed = run.name in self._failed or summary.get("status") in FAILURES
        if failed and not self._has_come(run, unit, check):
            return NEVER
        table = read_metrics(directory)
        rows = [dict(zip(READ, row, strict=True)) for row in table[[*READ]].itertuples(index=False)]
        return course(rows, unit, check)

    def _prune(self, runs: Sequence[PlannedRun], left: int) -> None:
        """Let paused runs have ended."""
        names = [run.name for run in runs if self._goes_on(run)]
        for directory in map(self._directory, names):
            with alone(directory):
                summary = known_summary(directory) or {}
                pruned = {"status": str(Status.PRUNED), "message": MESSAGES[Status.PRUNED]}
                write_summary(directory, {**summary, **pruned})
        if names:
            self.display.pruned(names, left)
