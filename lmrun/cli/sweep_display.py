"""What a sweep shows while it trains: lines that stay on the screen, or one line per run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import read_entry
from lmrun.runs.metrics import last_row
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.layout import SweepDirectory
from lmrun.sweep.plan import Plan, PlannedRun
from lmrun.sweep.space import flow

if TYPE_CHECKING:
    pass

WIDTH = 60
"""Of the choices of a run."""


class SweepDisplay:
    """A line for each run that has ended, told as plain text.

    Args:
        sweep: The sweep's directory.
        plan: Its runs.
        stream: Where to write.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, stream: TextIO) -> None:
        self.sweep = sweep
        self.words = {run.name: _words(run) for run in plan.runs}
        self.stream = stream
        self.done = self.total = 0
        self.say(f"{sweep.path}: {len(plan.runs)} runs")

    def say(self, line: str) -> None:
        """Write one line; a stream that breaks does not end the training."""
        with suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.stream.flush()

    def begin(self, check: str, jobs: int) -> None:
        """Begin to train so many runs, to their ends or to the next comparison."""
        self.done, self.total = 0, jobs
        self.say(f"training {jobs} runs{' ' if check else ''}{check}")

    def show(self, running: Sequence[Job]) -> None:
        """Show nothing of runs that go on."""

    def ended(self, answer: Answer) -> None:
        """Say how a run ended."""
        self.done += 1
        self.say(f"{self.done} of {self.total}: {self.told(answer)}")

    def told(self, answer: Answer) -> str:
        """The run, its settings and its outcome."""
        words = self.words[answer.name]
        if answer.kind in {Kind.FAILED, Kind.CRASHED}:
            outcome = f"failed: {answer.reason.splitlines()[0]}"
        else:
            run = RunDirectory(self.sweep.runs_dir / answer.name)
            if not run.begun:
                return f"{answer.name}  {words}  not begun yet"
            entry = read_entry(run)
            loss = "no loss" if entry.best_loss is None else f"loss {entry.best_loss:.2e}"
            outcome = f"{loss}, {entry.seconds or 0:.1f} s, {entry.state}"
        return f"{answer.name}  {words}  {outcome}"

    def pruned(self, names: Sequence[str], left: int) -> None:
        """Say how many runs were ended early."""
        settings = "1 setting goes" if left == 1 else f"{left} settings go"
        self.say(f"{len(names)} runs end early; {settings} on")

    def stopping(self, running: int) -> None:
        """Say that it takes a moment."""
        self.say(f"Stopping: {running} runs finish their step. Ctrl-C once more ends them at once.")

    def close(self) -> None:
        """Nothing to put away."""


class QuietDisplay(SweepDisplay):
    """Nothing at all."""

    def say(self, line: str) -> None:
        """Write nothing."""

    def ended(self, answer: Answer) -> None:
        """Show nothing, and look at nothing."""


class LiveDisplay(SweepDisplay):
    """A bar, and below it a line for each run that is being trained.

    Args:
        sweep: The sweep's directory.
        plan: Its runs.
        stream: Where to write.
        console: A Rich console on a terminal.
    """

    def __init__(self, sweep: SweepDirectory, plan: Plan, stream: TextIO, console: Console) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self.task = self.bar.add_task("", total=None)
        self.live = Live(console=console, refresh_per_second=4, transient=True)
        super().__init__(sweep, plan, stream)
        self.live.start()

    def say(self, line: str) -> None:
        """Write one line above the bar."""
        with suppress(OSError):
            self.console.print(Text(line), soft_wrap=True)

    def begin(self, check: str, jobs: int) -> None:
        """Begin a new bar."""
        self.done, self.total = 0, jobs
        self.bar.reset(self.task, total=jobs, description=f"{check}".strip() or "to the end")

    def show(self, running: Sequence[Job]) -> None:
        """Show the latest row of each run."""
        lines = [Text(self._running(job), no_wrap=True, overflow="ellipsis") for job in running]
        with suppress(OSError):
            self.live.update(Group(self.bar, *lines))

    def ended(self, answer: Answer) -> None:
        """Say how a run ended, and advance the bar."""
        self.bar.advance(self.task)
        super().ended(answer)

    def _running(self, job: Job) -> str:
        try:
            row = last_row(RunDirectory(self.sweep.runs_dir / job.name))
        except RunDirectoryError:
            # What the process writes just now is none of its watcher's business.
            row = {}
        state = f"step {row['step']:,.0f}  loss {row['loss']:.3e}" if "loss" in row else "starting"
        return f"{job.name}  {state}  {self.words[job.name]}"

    def close(self) -> None:
        """Take the bar away."""
        with suppress(OSError):
            self.live.stop()


def _words(run: PlannedRun) -> str:
    """The choices of a run, each by the last part of its key."""
    chosen = {key.rpartition(".")[2]: value for key, value in run.choices.items()}
    text = " ".join(f"{key}={flow(value)}" for key, value in {**chosen, "seed": run.seed}.items())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def make_display(sweep: SweepDirectory, plan: Plan, quiet: bool) -> SweepDisplay:
    """Return the display that suits stderr."""
    if quiet:
        return QuietDisplay(sweep, plan, sys.stderr)
    if sys.stderr.isatty():
        console = Console(file=sys.stderr, highlight=False)
        if not console.is_dumb_terminal:
            return LiveDisplay(sweep, plan, sys.stderr, console)
    return SweepDisplay(sweep, plan, sys.stderr)
