"""Losses along the way: rows, the mean over an epoch, the best parameters, validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.base import Split
from lmrun.optimizers.base import StepInfo
from lmrun.status import Status
from lmrun.training.driver import Driver
from lmrun.training.evaluate import Evaluator
from lmrun.training.recorder import Row, details, step_rows
from lmrun.training.schedule import Schedule
from lmrun.training.state import LoopState

Tensor = Any

ROUNDING = 1e-10
"""Losses that agree to this share are equal as far as their own rounding can tell."""


@dataclass(frozen=True)
class FinalLosses:
    """The loss over all training rows at the last and at the best parameters."""

    last: float
    best: float


class Tracker:
    """Keep the records of a run's state.

    On the full batch, best means the lowest loss. In mini-batches it means the lowest mean over an epoch,
    which costs nothing; the losses over all rows settle it at the end. Where there are validation rows, they
    decide.

    Args:
        state: The state that the loop advances; its records are written here.
        schedule: The order of rows.
        driver: Knows the full loss.
        train: The training rows.
        validator: Evaluates the validation rows, where there are any.
        regularized: Whether the loss does not say which parameters are best; the optimizer does.
    """

    def __init__(
        self,
        state: LoopState,
        schedule: Schedule,
        driver: Driver,
        train: Split,
        validator: Evaluator | None,
        *,
        regularized: bool = False,
    ) -> None:
        self.state = state
        self.schedule = schedule
        self.driver = driver
        self.train = train
        self.validator = validator
        self.regularized = regularized
        self.row_per_step = schedule.full_batch or driver.most_steps == 1
        self._weights: tuple[int, NDArray[np.float64]] | None = None
        self._estimates: dict[str, float] | None = None

    @property
    def model(self) -> Tensor:
        """The present parameters of the model [n]."""
        return self.driver.model(self.state.params, self.state.optimizer)

    def forgive(self, info: StepInfo) -> StepInfo:
        """Let a mini-batch, or a part of the parameters, without progress pass while another makes some."""
        state = self.state
        parts = self.schedule.batches * info.turns
        if parts == 1 or info.status is not Status.NO_PROGRESS:
            state.idle_batches = 0
            return info
        state.idle_batches += 1
        return info if state.idle_batches >= parts else replace(info, status=None)

    def rows(self, info: StepInfo, first: int, made: int, seconds: tuple[float, float]) -> list[Row]:
        """Return the rows of one call that made `made` steps after `first`, and note its losses."""
        state, schedule = self.state, self.schedule
        self._estimates = estimates_of(info) or self._estimates
        losses = info.losses
        if not schedule.full_batch and info.loss_before is not None:
            # Before the step, as first-order optimizers see it: after it, the batch flatters the model.
            losses = np.array([info.loss_before])
        if not made and self.row_per_step:
            failed: Row = {"step": first + 1, "epoch": self._epoch_of(first + 1), "seconds": seconds[1]}
            return [{**failed, "loss": float(losses[-1]), **details(info)}]
        if schedule.full_batch:
            state.loss = float(losses[-1])
            return step_rows(losses, first + 1, self._epoch_of, seconds, info)
        weights = self._batch_weights(schedule.epoch(first))[schedule.batch(first) :][:made]
        state.epoch_sum = _added(state.epoch_sum, losses[:made] * weights)
        state.epoch_weight = _added(state.epoch_weight, weights)
        rows = step_rows(losses, first + 1, self._epoch_of, seconds, info) if self.row_per_step else []
        if schedule.batch(state.step) == 0:
            if not self.row_per_step:
                rows = self.unfinished_epoch(seconds[1])
            state.loss = self._epoch_mean()
            state.epoch_sum, state.epoch_weight = 0.0, 0.0
        return rows

    def unfinished_epoch(self, seconds: float) -> list[Row]:
        """Return the row of an epoch of mini-batches as far as it went, where steps have no rows."""
        if self.row_per_step or not self.state.epoch_weight:
            return []
        step = self.state.step
        epoch = self._epoch_of(step)
        return [{"step": step, "epoch": epoch, "seconds": seconds, "loss": self._epoch_mean()}]

    def keep_best(self, info: StepInfo) -> None:
        """Remember the parameters if their training loss is the lowest so far, or rounding decides that."""
        state = self.state
        known = self.driver.best(state.params, state.optimizer, state.step)
        if known is not None:
            lowest, params, step = known.loss, known.params, known.step
        elif self.schedule.batch(state.step) == 0:
            lowest, params, step = state.loss, self.model, state.step
        else:
            return
        before = info.loss_before
        polished = info.polishes and before is not None and before <= state.best_loss * (1 + ROUNDING)
        better = info.supersedes if self.regularized else lower(lowest, state.best_loss) or polished
        if self.validator is None and better:
            state.best_loss, state.best_params, state.best_step = lowest, params, step
            # The best of several starts was estimated when it was reached.
            state.estimates = estimates_of(info) or state.estimates

    def validate_start(self, row: Row) -> None:
        """Look at the validation rows before the first step."""
        if self.validator is not None:
            loss = self.validator.loss(self.model)
            self.state.validation_loss = self.state.best_loss = row["validation_loss"] = loss

    def due(self, interval: int) -> bool:
        """Whether an epoch has just ended that is a multiple of `interval`."""
        step, schedule = self.state.step, self.schedule
        return schedule.batch(step) == 0 and schedule.epoch(step) % interval == 0

    def validate(self, rows: list[Row]) -> None:
        """Look at the validation rows once for the latest row."""
        state = self.state
        if self.validator is None or not rows or "validation_loss" in rows[-1]:
            return
        model = self.model
        state.validation_loss = rows[-1]["validation_loss"] = self.validator.loss(model)
        accuracy = self.validator.accuracy(model)
        if accuracy is not None:
            rows[-1]["validation_accuracy"] = accuracy
        # A start that cannot be validated (NaN) is no best; a NaN later is none either.
        if math.isfinite(state.validation_loss) and not state.best_loss <= state.validation_loss:
            state.best_loss, state.best_params = state.validation_loss, model
            state.best_step, state.since_best = state.step, 0
            state.estimates = self._estimates
        else:
            state.since_best += 1

    def settle_best(self, initial: Tensor) -> FinalLosses:
        """Compare the candidates for the best over all training rows, where nothing validates."""
        state = self.state
        model = self.model
        last, best = self.driver.loss(model), self.driver.loss(state.best_params)
        if self.validator is None and not self.regularized:
            if lower(last, best):
                best, state.best_params, state.best_step = last, model, state.step
            # Polished from where they started, parameters may be better by no more than rounding shows.
            initial_loss = state.initial_loss * (1 + ROUNDING)
            if math.isfinite(initial_loss) and not best <= initial_loss:
                best, state.best_params, state.best_step = state.initial_loss, initial, 0
        return FinalLosses(last, best)

    def _epoch_mean(self) -> float:
        weight = self.state.epoch_weight
        return self.state.epoch_sum / weight if weight else 0.0

    def _epoch_of(self, step: int) -> int:
        """The epoch, counted from 1, that a step belongs to."""
        return -(-step // self.schedule.batches)

    def _batch_weights(self, epoch: int) -> NDArray[np.float64]:
        """The sum of the sample weights of every batch of an epoch."""
        if self._weights is None or self._weights[0] != epoch:
            self._weights = (epoch, self.schedule.weights(epoch, self.train.weights))
        return self._weights[1]


def estimates_of(info: StepInfo) -> dict[str, float] | None:
    """Return what regularization estimated where a step began, by the names of the columns."""
    names = ("effective_parameters", "alpha", "beta")
    return None if info.alpha is None else {name: getattr(info, name) for name in names}


def lower(loss: float, other: float) -> bool:
    """Whether a loss is the lower one; any is lower than NaN, that of a start outside the domain."""
    return math.isfinite(loss) and not other <= loss


def _added(total: float, values: NDArray[np.floating]) -> float:
    """Add values one after the other: however many a call brings, the sum of an epoch has the same bits."""
    return float(np.add.accumulate(np.concatenate([[total], values]))[-1])
