"""When a run ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lmrun.config.training import TrainingConfig
from lmrun.optimizers.base import StepInfo
from lmrun.status import DIVERGED, Status


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: Steps made.
        epochs: Epochs finished.
        seconds: Training time.
        loss: The latest loss (mini-batches: the mean of the last epoch, None before its end).
        initial_loss: The loss before the first step.
        since_best: Validations since the best one.
        full_batch: Whether every step saw all rows.
    """

    step: int
    epochs: int
    seconds: float
    loss: float | None
    initial_loss: float
    since_best: int
    full_batch: bool


def failed(progress: Progress, info: StepInfo) -> Status | None:
    """Return why no further step makes sense, or None."""
    worst = float(info.losses[-1]) if len(info.losses) else progress.initial_loss
    if not math.isfinite(worst):
        return Status.NON_FINITE
    if worst > DIVERGED * max(progress.initial_loss, 1e-300):
        return Status.DIVERGED
    return info.status


def converged(training: TrainingConfig, progress: Progress, info: StepInfo) -> Status | None:
    """Return which tolerance the last step met, or None; mini-batches do not converge."""
    if not progress.full_batch or not info.accepted:
        return None
    if info.gradient_norm is not None and info.gradient_norm <= (training.gradient_tolerance or 0.0):
        return Status.CONVERGED_GRADIENT
    tolerance = training.step_tolerance or 0.0
    if (
        info.step_norm is not None
        and info.params_norm is not None
        and info.step_norm <= tolerance * (info.params_norm + tolerance)
    ):
        return Status.CONVERGED_STEP
    return None


def spent(training: TrainingConfig, progress: Progress) -> Status | None:
    """Return which limit is used up, or None."""
    limits = (
        (Status.MAX_STEPS, progress.step, training.max_steps),
        (Status.MAX_EPOCHS, progress.epochs, training.max_epochs),
        (Status.MAX_SECONDS, progress.seconds, training.max_seconds),
        (Status.PATIENCE, progress.since_best, training.patience),
    )
    for status, value, limit in limits:
        if limit is not None and value >= limit:
            return status
    return None


def target_reached(training: TrainingConfig, loss: float) -> bool:
    """Whether a loss is at or below the target."""
    return training.target_loss is not None and loss <= training.target_loss
