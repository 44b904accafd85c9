"""When a run ends."""

from __future__ import annotations

import math
from typing import NamedTuple

from lmrun.config.training import TrainingConfig
from lmrun.optimizers.base import StepInfo
from lmrun.optimizers.convergence import tolerances_of
from lmrun.status import Status


class Standing(NamedTuple):
    """Where a run stands.

    Attributes:
        step: Steps made.
        epochs: Epochs finished.
        seconds: Training time.
        ceiling: A loss beyond this has diverged.
        since_best: Validations since the best one.
        full_batch: Whether every step saw all rows.
    """

    step: int
    epochs: int
    seconds: float
    ceiling: float
    since_best: int
    full_batch: bool


def failed(standing: Standing, info: StepInfo) -> Status | None:
    """Return why no further step makes sense, or None."""
    latest = float(info.losses[-1])
    if not math.isfinite(latest):
        return Status.NON_FINITE
    if latest > standing.ceiling and not info.restarts:
        return Status.DIVERGED
    return info.status


def converged(training: TrainingConfig, standing: Standing, info: StepInfo) -> Status | None:
    """Return which tolerance the last step met, or None; mini-batches do not converge."""
    if not standing.full_batch or info.polishes:
        return None
    return tolerances_of(training).met(info)


def spent(training: TrainingConfig, standing: Standing) -> Status | None:
    """Return which limit is used up, or None."""
    limits = (
        (Status.MAX_STEPS, standing.step, training.max_steps),
        (Status.MAX_EPOCHS, standing.epochs, training.max_epochs),
        (Status.MAX_SECONDS, standing.seconds, training.max_seconds),
        (Status.PATIENCE, standing.since_best, training.patience),
    )
    for status, value, limit in limits:
        if limit is not None and value >= limit:
            return status
    return None


def target_reached(training: TrainingConfig, loss: float) -> bool:
    """Whether a loss is at or below the target."""
    return training.target_loss is not None and loss <= training.target_loss
