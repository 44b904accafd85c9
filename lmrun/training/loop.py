"""The only training loop."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import tensorflow as tf

from lmrun.build import Experiment, as_params
from lmrun.linalg.one_thread import one_blas_thread
from lmrun.optimizers.restarts import Restarted
from lmrun.runs.checkpoints import Checkpoint, read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.status import DIVERGED, FAILURES, MESSAGES, NO_IMPROVEMENT, START_NOT_FINITE, Status
from lmrun.training import stopping
from lmrun.training.company import LEFT_ALONE, Company
from lmrun.training.driver import Driver
from lmrun.training.drivers import make_driver
from lmrun.training.evaluate import Evaluator
from lmrun.training.events import EventWriter
from lmrun.training.interrupt import Interruption, listening
from lmrun.training.outcome import Outcome
from lmrun.training.progress import Progress
from lmrun.training.recorder import Nothing, Recorder, Row, RowsInMemory
from lmrun.training.schedule import Schedule
from lmrun.training.state import LoopState, shared_checkpoint, unpack
from lmrun.training.tracker import Tracker, lower

Tensor = Any

CALL_SECONDS = 0.1
"""A block of first-order steps lasts about this long: Ctrl-C and the limits are looked at in between."""
FIRST_BLOCK = 1
"""The first call compiles; by itself, it does not make the steps after it look slow."""


def schedule_of(experiment: Experiment) -> Schedule:
    """Return the order of rows that the config describes."""
    training = experiment.config.training
    return Schedule(
        experiment.dataset.training_rows, training.batch_size, training.shuffle, experiment.config.seed
    )


def train(
    experiment: Experiment,
    run: RunDirectory | None,
    progress: Progress,
    interruption: Interruption | None = None,
) -> Outcome:
    """Train until a stopping rule holds, from the run's newest checkpoint where it has one.

    Args:
        experiment: What to train.
        run: Where rows and checkpoints go; None for workers beside the first one.
        progress: The display.
        interruption: Asks for an end; left out, signals do.
    """
    with tf.device(experiment.device), one_blas_thread(), listening(interruption) as asked:
        loop = Loop(experiment, run, progress, asked)
        try:
            while loop.status is None:
                loop.advance()
            return loop.end()
        except LEFT_ALONE:
            loop.company.left(loop.recorder)
            raise
        finally:
            loop.recorder.close()


class Loop:
    """The loop's parts; see `train`.

    Args:
        experiment: What to train.
        run: Where rows and checkpoints go; None keeps the rows in memory, and nothing else.
        progress: The display.
        interruption: Asks for an end.
        longest: Steps of one call at most.

    Attributes:
        status: Why no further call makes sense; None while one does.
    """

    def __init__(
        self,
        experiment: Experiment,
        run: RunDirectory | None,
        progress: Progress,
        interruption: Interruption,
        *,
        longest: int | None = None,
    ) -> None:
        self.started, self.offset = time.monotonic(), 0.0
        self.experiment, self.interruption = experiment, interruption
        self.company = Company(experiment.reducer, interruption, self._seconds)
        self.training = experiment.config.training
        self.schedule = schedule_of(experiment)
        self.driver = make_driver(experiment, self.schedule)
        self.longest = min(longest or self.driver.most_steps, self.driver.most_steps)
        self.ceiling = DIVERGED * self.driver.zero_loss()
        checkpoint = shared_checkpoint(None if run is None else read_checkpoint(run), experiment.reducer)
        validation = experiment.dataset.validation
        validator = None if validation is None else Evaluator(experiment, validation)
        self.block = FIRST_BLOCK
        if checkpoint is None:
            self.state = fresh(experiment, self.driver)
        else:
            self.state = unpack(checkpoint, self.driver, experiment.network.size)
            self.offset = self.state.seconds
        self.recorder = self._recorder(run, progress, checkpoint)
        self.tracker = Tracker(
            self.state,
            self.schedule,
            self.driver,
            experiment.dataset.train,
            validator,
            regularized=experiment.regularized,
        )
        if checkpoint is None:
            first: Row = {"step": 0, "epoch": 0, "seconds": self._seconds(), "loss": self.state.loss}
            self.tracker.validate_start(first)
            self.recorder.write([first])
            self.recorder.checkpoint(self.state, self._seconds(), now=True)
        self.status = self._at_start()
        self.company.begin(self.state)

    def _recorder(
        self, run: RunDirectory | None, progress: Progress, checkpoint: Checkpoint | None
    ) -> Recorder | RowsInMemory | Nothing:
        if self.experiment.reducer.index > 0:
            return Nothing()
        if run is None:
            return RowsInMemory(progress)
        # A run that was killed before its first checkpoint starts again, and so do its rows.
        rows = 0 if checkpoint is None else int(checkpoint.metadata["rows"])
        sinks = [EventWriter(run)] if self.training.tensorboard else []
        seconds, early = self.training.checkpoint_seconds, self.experiment.reducer.workers > 1
        return Recorder(run, self.driver, progress, seconds, rows, early=early, sinks=sinks)

    def advance(self) -> list[Row]:
        """Call the optimizer once and return the rows of that; `status` says whether to go on."""
        self.company.keep(self.state)
        rows = self._advance()
        if self.status is None and (self.company.asked or self._pauses()):
            self.status = Status.INTERRUPTED
        if self.status is None:
            self.recorder.checkpoint(self.state, self._seconds())
        return rows

    def end(self) -> Outcome:
        """Settle what the run has led to; one that had ended already stays as it ended."""
        distribution = self.company.distribution(self.state)
        state, status, seconds = self.state, self.status or Status.INTERRUPTED, self._seconds()
        if state.status is None:
            state.status = None if status is Status.INTERRUPTED else status
            self.recorder.checkpoint(state, seconds, now=True)
        # The losses at the end are sums, too: who is lost there takes no step back.
        self.company.keep(state)
        return replace(self._outcome(status, seconds), distribution=distribution)

    def _at_start(self) -> Status | None:
        state = self.state
        if state.status is not None:
            return Status(state.status)
        # Outside the formula's domain, other starts may still lie inside.
        if not math.isfinite(state.loss) and not isinstance(self.experiment.optimizer, Restarted):
            return Status.NON_FINITE
        if state.step == 0 and stopping.target_reached(self.training, state.loss):
            return Status.TARGET_REACHED
        spent = stopping.spent(self.training, self._standing())
        return spent or (Status.INTERRUPTED if self._pauses() else None)

    def _pauses(self) -> bool:
        return self.interruption.pauses(self.state.step, self._seconds())

    def _advance(self) -> list[Row]:
        """One call of the optimizer, its rows, its validation and the stopping rules."""
        state, tracker, first = self.state, self.tracker, self.state.step
        begin = self._seconds()
        state.params, state.optimizer, info = self.driver.advance(
            state.params, state.optimizer, first, self._count()
        )
        end = self._seconds()
        info = tracker.forgive(info)
        made = len(info.losses) if info.status is None else 0
        self._adapt_block(made, end - begin)
        state.step += made
        rows = tracker.rows(info, first, made, (begin, end))
        if made or info.supersedes:
            tracker.keep_best(info)
        if made and tracker.due(self.training.validation_interval or 1):
            tracker.validate(rows)
        standing = self._standing()
        status = (
            self._target()
            or stopping.converged(self.training, standing, info)
            or stopping.failed(standing, info)
            or stopping.spent(self.training, standing)
        )
        if status is not None:
            rows = rows or tracker.unfinished_epoch(end)
        if status is not None and status not in FAILURES:
            tracker.validate(rows)
        self.recorder.write(rows, now=status is not None)
        self.status = status
        return rows

    def _count(self) -> int:
        """Steps of the next call: none beyond a limit or the next validation."""
        state, training, schedule = self.state, self.training, self.schedule
        most = min(self.block, self.longest, self.interruption.steps_from(state.step))
        if training.max_steps is not None:
            most = min(most, training.max_steps - state.step)
        if training.max_epochs is not None:
            most = min(most, training.max_epochs * schedule.batches - state.step)
        if self.tracker.validator is not None and schedule.full_batch:
            interval = training.validation_interval or 1
            most = min(most, interval - state.step % interval)
        return max(1, most)

    def _adapt_block(self, made: int, seconds: float) -> None:
        """Let the next call last about CALL_SECONDS, at most eight times as long as this one."""
        wanted = made * CALL_SECONDS / max(seconds, 1e-6)
        self.block = max(1, min(int(wanted), 8 * self.block, self.driver.most_steps))

    def _target(self) -> Status | None:
        """Whether the target is reached; the mean over an epoch's batches only hints at the loss."""
        state, schedule = self.state, self.schedule
        complete = schedule.full_batch or schedule.batch(state.step) == 0
        if not complete or not stopping.target_reached(self.training, state.loss):
            return None
        loss = state.loss if schedule.full_batch else self.driver.loss(self.tracker.model)
        return Status.TARGET_REACHED if stopping.target_reached(self.training, loss) else None

    def _seconds(self) -> float:
        return self.offset + time.monotonic() - self.started

    def _standing(self) -> stopping.Standing:
        state = self.state
        return stopping.Standing(
            step=state.step,
            epochs=self.schedule.epoch(state.step),
            seconds=self.company.seconds,
            ceiling=max(self.ceiling, DIVERGED * state.initial_loss),
            since_best=state.since_best,
            full_batch=self.schedule.full_batch,
        )

    def _outcome(self, status: Status, seconds: float) -> Outcome:
        state = self.state
        losses = self.tracker.settle_best(as_params(self.experiment))
        improved = lower(losses.best, state.initial_loss)
        message = MESSAGES[status]
        if status is Status.NON_FINITE and state.step == 0 and not math.isfinite(state.initial_loss):
            message = START_NOT_FINITE
        elif status is Status.NO_PROGRESS and not improved:
            message = NO_IMPROVEMENT
        return Outcome(
            status=status,
            message=message,
            state=state,
            seconds=seconds,
            epochs=self.schedule.epoch(state.step),
            loss=losses.last,
            best_loss=losses.best,
            improved=improved,
            model=self.tracker.model,
        )


def fresh(experiment: Experiment, driver: Driver) -> LoopState:
    """Return the state before the first step."""
    params = as_params(experiment)
    optimizer = driver.init(params)
    known = driver.best(params, optimizer, 0)
    loss = driver.loss(params) if known is None else known.loss
    return LoopState(
        params=params, optimizer=optimizer, initial_loss=loss, loss=loss, best_params=params, best_loss=loss
    )
