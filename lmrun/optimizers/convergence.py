"""When steps have become so small that they are the last."""

from __future__ import annotations

from dataclasses import dataclass

from lmrun.config.training import TrainingConfig
from lmrun.optimizers.base import StepInfo
from lmrun.status import Status


@dataclass(frozen=True)
class Tolerances:
    """What counts as converged.

    Attributes:
        gradient: For the largest |element| of J^T r before a step: at a minimum it is met though no step is
            accepted any more.
        step: For |step| / (|params| + step) of an accepted step.
    """

    gradient: float = 0.0
    step: float = 0.0

    def met(self, info: StepInfo) -> Status | None:
        """Return which tolerance a step met, or None."""
        if info.status not in (None, Status.NO_PROGRESS) or info.unsettled:
            return None
        if info.gradient_norm is not None and info.gradient_norm <= self.gradient:
            return Status.CONVERGED_GRADIENT
        if (
            info.accepted
            and info.step_norm is not None
            and info.params_norm is not None
            and info.step_norm <= self.step * (info.params_norm + self.step)
        ):
            return Status.CONVERGED_STEP
        return None


EXACT = Tolerances()
"""What only a gradient of 0 meets."""


def tolerances_of(training: TrainingConfig) -> Tolerances:
    """Return those of a config."""
    return Tolerances(training.gradient_tolerance or 0.0, training.step_tolerance or 0.0)
