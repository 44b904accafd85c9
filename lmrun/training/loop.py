"""The only training loop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import tensorflow as tf

from lmrun.build import Experiment, as_params
from lmrun.optimizers.base import StepInfo
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.status import MESSAGES, NO_IMPROVEMENT, START_NOT_FINITE, Status
from lmrun.training import stopping
from lmrun.training.drivers import make_driver
from lmrun.training.evaluate import Evaluator
from lmrun.training.interrupt import Interruption, listening
from lmrun.training.progress import Progress
from lmrun.training.recorder import Recorder, Row, details, step_rows
from lmrun.training.schedule import Schedule
from lmrun.training.state import LoopState, unpack

CALL_SECONDS = 0.1
"""A block of first-order steps lasts about this long: Ctrl-C and the limits are looked at in between."""
FIRST_BLOCK = 16


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: Its status.
        message: What that means and what to try.
        state: The last state.
        seconds: Training wall-clock, compilation included.
        epochs: Epochs finished.
        loss: The loss over all training rows at the last parameters.
        best_loss: The same at the best parameters.
    """

    status: Status
    message: str
    state: LoopState
    seconds: float
    epochs: int
    loss: float
    best_loss: float


def schedule_of(experiment: Experiment) -> Schedule:
    """Return the order of rows that the config describes."""
    training = experiment.config.training
    return Schedule(
        experiment.dataset.train.rows, training.batch_size, training.shuffle, experiment.config.seed
    )


def train(experiment: Experiment, run: RunDirectory, progress: Progress) -> Outcome:
    """Train until a stopping rule holds, from the run's newest checkpoint where it has one.

    Args:
        experiment: What to train.
        run: Where rows and checkpoints go.
        progress: The display.
    """
    with tf.device(experiment.device), listening() as interruption:
        loop = Loop(experiment, run, progress, interruption)
        try:
            return loop.run_to_end()
        finally:
            loop.recorder.close()


class Loop:
    """The loop's parts; see `train`."""

    def __init__(
        self, experiment: Experiment, run: RunDirectory, progress: Progress, interruption: Interruption
    ) -> None:
        self.started = time.monotonic()
        self.training = experiment.config.training
        self.interruption = interruption
        self.schedule = schedule_of(experiment)
        self.driver = make_driver(experiment, self.schedule)
        validation = experiment.dataset.validation
        self.validator = None if validation is None else Evaluator(experiment, validation)
        checkpoint = read_checkpoint(run)
        rows = None if checkpoint is None else int(checkpoint.metadata["rows"])
        # A run that was killed before its first checkpoint starts again, and so do its rows.
        if checkpoint is None and run.metrics.exists():
            rows = 0
        self.recorder = Recorder(run, self.driver, progress, self.training.checkpoint_seconds, rows)
        self.row_per_step = self.schedule.full_batch or self.driver.most_steps == 1
        self.block = FIRST_BLOCK
        self.state = self._fresh(experiment) if checkpoint is None else unpack(checkpoint, self.driver)
        self.offset = self.state.seconds
        if checkpoint is None:
            self._first_row()

    def run_to_end(self) -> Outcome:
        """Advance until a stopping rule holds."""
        state = self.state
        status = self._at_start()
        while status is None:
            status = self._advance()
            if status is None and self.interruption.requested:
                status = Status.INTERRUPTED
            if status is None:
                self.recorder.checkpoint(state, self._seconds())
        seconds = self._seconds()
        self.recorder.checkpoint(state, seconds, now=True)
        return self._outcome(status, seconds)

    def _fresh(self, experiment: Experiment) -> LoopState:
        params = as_params(experiment)
        loss = self.driver.loss(params)
        state = LoopState(
            params=params,
            optimizer=self.driver.init(params),
            initial_loss=loss,
            loss=loss,
            best_params=params,
            best_loss=loss,
            lowest_loss=loss,
        )
        if self.validator is not None:
            state.validation_loss = state.best_loss = self.validator.loss(params)
        return state

    def _first_row(self) -> None:
        row: Row = {"step": 0, "epoch": 0, "seconds": self._seconds(), "loss": self.state.loss}
        if self.validator is not None:
            row["validation_loss"] = self.state.validation_loss
        self.recorder.write([row])
        self.recorder.checkpoint(self.state, self._seconds(), now=True)

    def _at_start(self) -> Status | None:
        if not math.isfinite(self.state.loss):
            return Status.NON_FINITE
        if stopping.target_reached(self.training, self.state.loss):
            return self._confirmed_target()
        return stopping.spent(self.training, self._progress())

    def _advance(self) -> Status | None:
        """One call of the optimizer, its rows, its validation and the stopping rules."""
        state, first = self.state, self.state.step
        begin = self._seconds()
        state.params, state.optimizer, info = self.driver.advance(
            state.params, state.optimizer, first, self._count()
        )
        end = self._seconds()
        self._adapt_block(len(info.losses), end - begin)
        moved = info.status is None
        made = len(info.losses) if moved else 0
        state.step += made
        rows = self._rows(info, first, made, begin, end)
        if moved:
            self._keep_best(info)
        self._validate(rows, end)
        self.recorder.write(rows)
        progress = self._progress()
        return (
            self._target()
            or stopping.failed(progress, info)
            or stopping.converged(self.training, progress, info)
            or stopping.spent(self.training, progress)
        )

    def _rows(self, info: StepInfo, first: int, made: int, begin: float, end: float) -> list[Row]:
        state, schedule = self.state, self.schedule
        if not schedule.full_batch:
            for index in range(made):
                samples = schedule.samples(schedule.batch(first + index))
                state.epoch_sum += float(info.losses[index]) * samples
                state.epoch_rows += samples
        if self.row_per_step:
            if made:
                state.loss = float(info.losses[-1]) if schedule.full_batch else state.loss
                return self._ending_epoch(
                    step_rows(info.losses, first + 1, self._epoch_number, (begin, end), info)
                )
            failed: Row = {"step": first + 1, "epoch": self._epoch_number(first + 1), "seconds": end}
            return [{**failed, "loss": float(info.losses[-1]), **details(info)}]
        if schedule.batch(state.step) != 0 or not made:
            return []
        row: Row = {"step": state.step, "epoch": schedule.epoch(state.step), "seconds": end}
        return self._ending_epoch([{**row, "loss": state.epoch_sum / state.epoch_rows}])

    def _ending_epoch(self, rows: list[Row]) -> list[Row]:
        """Close the sums of an epoch of mini-batches."""
        state = self.state
        if not self.schedule.full_batch and self.schedule.batch(state.step) == 0:
            state.loss = state.epoch_sum / state.epoch_rows
            state.epoch_sum, state.epoch_rows = 0.0, 0
        return rows

    def _epoch_number(self, step: int) -> int:
        """The epoch, counted from 1, that a step belongs to."""
        return -(-step // self.schedule.batches)

    def _keep_best(self, info: StepInfo) -> None:
        state = self.state
        best = self.driver.best(state.params, state.optimizer)
        if best is not None:
            lowest, params = best
        elif self.schedule.batch(state.step) == 0:
            lowest, params = state.loss, state.params
        else:
            return
        if lowest < state.lowest_loss:
            state.lowest_loss = lowest
            if self.validator is None:
                state.best_loss, state.best_params, state.best_step = lowest, params, state.step

    def _validate(self, rows: list[Row], end: float) -> None:
        """Look at the validation rows at the end of every `validation_interval` epochs."""
        state, interval = self.state, self.training.validation_interval or 1
        at_end = self.schedule.batch(state.step) == 0 and self.schedule.epoch(state.step) % interval == 0
        if self.validator is None or not rows or not at_end:
            return
        state.validation_loss = rows[-1]["validation_loss"] = self.validator.loss(state.params)
        accuracy = self.validator.accuracy(state.params)
        if accuracy is not None:
            rows[-1]["validation_accuracy"] = accuracy
        if state.validation_loss < state.best_loss:
            state.best_loss, state.best_params = state.validation_loss, state.params
            state.best_step, state.since_best = state.step, 0
        else:
            state.since_best += 1

    def _count(self) -> int:
        """Steps of the next call: none beyond a limit or the next validation."""
        state, training, schedule = self.state, self.training, self.schedule
        most = min(self.block, self.driver.most_steps)
        if training.max_steps is not None:
            most = min(most, training.max_steps - state.step)
        if training.max_epochs is not None:
            most = min(most, training.max_epochs * schedule.batches - state.step)
        if self.validator is not None and schedule.full_batch:
            interval = training.validation_interval or 1
            most = min(most, interval - state.step % interval)
        return max(1, most)

    def _adapt_block(self, made: int, seconds: float) -> None:
        """Let the next call last about CALL_SECONDS, at most eight times as long as this one."""
        wanted = made * CALL_SECONDS / max(seconds, 1e-6)
        self.block = max(1, min(int(wanted), 8 * self.block, self.driver.most_steps))

    def _target(self) -> Status | None:
        complete = self.schedule.full_batch or self.schedule.batch(self.state.step) == 0
        if complete and stopping.target_reached(self.training, self.state.loss):
            return self._confirmed_target()
        return None

    def _confirmed_target(self) -> Status | None:
        """The mean over an epoch's batches only hints at the loss: look at it."""
        if self.schedule.full_batch:
            return Status.TARGET_REACHED
        confirmed = stopping.target_reached(self.training, self.driver.loss(self.state.params))
        return Status.TARGET_REACHED if confirmed else None

    def _seconds(self) -> float:
        return getattr(self, "offset", 0.0) + time.monotonic() - self.started

    def _progress(self) -> stopping.Progress:
        state = self.state
        return stopping.Progress(
            step=state.step,
            epochs=self.schedule.epoch(state.step),
            seconds=self._seconds(),
            loss=state.loss,
            initial_loss=state.initial_loss,
            since_best=state.since_best,
            full_batch=self.schedule.full_batch,
        )

    def _outcome(self, status: Status, seconds: float) -> Outcome:
        state = self.state
        message = MESSAGES[status]
        if status is Status.NON_FINITE and state.step == 0 and not math.isfinite(state.initial_loss):
            message = START_NOT_FINITE
        elif status is Status.NO_PROGRESS and not state.improved:
            message = NO_IMPROVEMENT
        loss, best_loss = self.driver.loss(state.params), self.driver.loss(state.best_params)
        if self.validator is None and loss < best_loss:
            # A run that stops inside an epoch of mini-batches has not been compared since the epoch began.
            best_loss, state.best_params, state.best_step = loss, state.params, state.step
        return Outcome(
            status=status,
            message=message,
            state=state,
            seconds=seconds,
            epochs=self.schedule.epoch(state.step),
            loss=loss,
            best_loss=best_loss,
        )
