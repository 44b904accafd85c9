"""What a run leaves behind while it trains: rows, checkpoints, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.optimizers.base import StepInfo
from lmrun.runs.checkpoints import write_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import MetricsWriter
from lmrun.training.driver import Driver
from lmrun.training.progress import Progress
from lmrun.training.state import LoopState, pack

Row = dict[str, float | int | bool | None]


class Sink(Protocol):
    """What rows go to besides metrics.csv and the display."""

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""

    def close(self) -> None:
        """Write what waits."""


ROW_SECONDS = 0.1
"""Rows wait for so long, and are then with the operating system: to flush each by itself took 5 % of the
steps of a small network, each 0.02 s 1 %. What a kill takes is younger than the last checkpoint, and made
again by a resumed run."""

DETAILS = (
    "damping",
    "gain_ratio",
    "step_norm",
    "gradient_norm",
    "accepted",
    "attempts",
    "invalid_attempts",
    "effective_parameters",
    "alpha",
    "beta",
)
"""What `StepInfo` has for columns of the same names."""
_details = attrgetter(*DETAILS)

EARLY_SECONDS = 0.25
"""When the first checkpoint of a run by several workers is written, and each further one as soon as the
training is twice as old: the first worker writes them, and one that is killed writes none on its way out. So
no more than half of what was done is made again."""


def step_rows(
    losses: NDArray[np.float64],
    first: int,
    epochs: Callable[[int], int],
    seconds: tuple[float, float],
    info: StepInfo,
) -> list[Row]:
    """One row per step of a call.

    Args:
        losses: The loss after each step.
        first: The number of the first step.
        epochs: The epoch, counted from 1, that a step belongs to.
        seconds: When the call began and ended; the steps in between share the time evenly.
        info: Its details describe the last step.
    """
    begin, end = seconds
    count = len(losses)
    rows: list[Row] = [
        {
            "step": first + index,
            "epoch": epochs(first + index),
            "seconds": begin + (end - begin) * (index + 1) / count,
            "loss": float(loss),
        }
        for index, loss in enumerate(losses)
    ]
    if rows and info.attempts is not None:
        rows[-1] |= details(info)
    return rows


def details(info: StepInfo) -> Row:
    """The columns of a second-order step."""
    return dict(zip(DETAILS, _details(info), strict=True))


class Recorder:
    """Write rows and checkpoints of one run, and show its progress.

    Args:
        run: The run directory.
        driver: Packs the optimizer's state.
        progress: The display.
        checkpoint_seconds: From one checkpoint to the next.
        rows: Rows that a resumed run keeps; 0 for a new run.
        early: Whether the first checkpoints follow each other faster, see `EARLY_SECONDS`.
        sinks: What else the rows go to.
    """

    def __init__(
        self,
        run: RunDirectory,
        driver: Driver,
        progress: Progress,
        checkpoint_seconds: float,
        rows: int,
        *,
        early: bool = False,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.run = run
        self.early = early
        self.driver = driver
        self.progress = progress
        self.checkpoint_seconds = checkpoint_seconds
        self.sinks = sinks
        self.metrics = MetricsWriter.resume(run, rows) if run.metrics.exists() else MetricsWriter(run)
        self.documents = {path.name: path.read_bytes().decode() for path in run.documents if path.is_file()}
        self._begun = self._saved = self._written = time.monotonic()
        self._waiting: list[Row] = []

    def write(self, rows: list[Row], *, now: bool = False) -> None:
        """Append rows and show the latest: at once, or with those of the next ROW_SECONDS."""
        self._waiting += rows
        time_now = time.monotonic()
        if not self._waiting or (not now and time_now - self._written < ROW_SECONDS):
            return
        # Rows that cannot be written are not tried again on the way out.
        waiting, self._waiting, self._written = self._waiting, [], time_now
        self.metrics.write(waiting)
        self.progress.update(waiting)
        for sink in self.sinks:
            sink.write(waiting)

    def checkpoint(self, state: LoopState, seconds: float, *, now: bool = False) -> None:
        """Write a checkpoint when the last one is old enough, or `now`."""
        if not now and time.monotonic() - self._saved < self._interval:
            return
        self.write([], now=True)
        state.rows, state.rows_checksum = self.metrics.rows, self.metrics.checksum
        arrays, metadata = pack(state, self.driver)
        # The rows that a checkpoint counts must not be younger on the disk than the checkpoint.
        self.metrics.sync()
        write_checkpoint(self.run, state.step, arrays, {**metadata, "seconds": seconds}, self.documents)
        self._saved = time.monotonic()

    @property
    def _interval(self) -> float:
        """Seconds from the last checkpoint to the next."""
        if not self.early:
            return self.checkpoint_seconds
        return min(self.checkpoint_seconds, max(EARLY_SECONDS, self._saved - self._begun))

    def close(self) -> None:
        """Write what waits and close the files."""
        try:
            self.write([], now=True)
        finally:
            self.metrics.close()
            for sink in self.sinks:
                sink.close()


class RowsInMemory:
    """The rows of a training without a run directory, and its progress.

    Args:
        progress: The display.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.rows: list[Row] = []

    def write(self, rows: list[Row], *, now: bool = False) -> None:
        """Keep rows and show the latest."""
        self.rows += rows
        if rows:
            self.progress.update(rows)

    def checkpoint(self, state: LoopState, seconds: float, *, now: bool = False) -> None:
        """Nothing: there is no place for one."""

    def close(self) -> None:
        """Nothing waits."""


class Nothing:
    """What a worker leaves behind beside the one that has the run directory."""

    def write(self, rows: list[Row], *, now: bool = False) -> None:
        """Nothing."""

    def checkpoint(self, state: LoopState, seconds: float, *, now: bool = False) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing waits."""
