"""A trust region as an update: it moves a radius, and each trial finds the damping of a step that long."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from lmrun.linalg.algebra import StepScalars
from lmrun.optimizers.damping.base import Damping

POOR, GOOD = 0.25, 0.75
"""Gain ratios: the radius shrinks up to the first and grows from the second (Moré 1978, algorithm 7.1;
Nocedal and Wright 2006, algorithm 4.1)."""
LEAST_SHARE, MOST_SHARE = 0.1, 0.5
"""Bounds of the shrinking (Moré 1978, section 4)."""
GROWTH = 2.0
"""Radius over the length of a good step (Moré 1978, algorithm 7.1)."""


@dataclass(frozen=True)
class TrustRegion:
    """Bound |D^(1/2) step| by a radius that follows the gain ratio rho.

    rho <= 1/4: radius <- share |D^(1/2) step|, 1/10 <= share <= 1/2; rho >= 3/4, or a step that no bound
    held back: radius <- 2 |D^(1/2) step|; else it stays. Unlike MINPACK it shrinks from the step, not from
    the radius: inside a wide region the next trial would be the same step again.

    Source: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory, section 4 and algorithm
    7.1; MINPACK `lmder`.
    """

    initial_radius: float

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """Relative to the parameters; the first trial is the Gauss-Newton step if that is short enough."""
        return Damping(0.0, radius=self.initial_radius * (scaled_norm or 1.0))

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """A step is accepted also with a poor ratio."""
        if not gain_ratio > POOR:
            return self.rejected(damping, gain_ratio, scalars)
        if gain_ratio >= GOOD or scalars.damping == 0:
            return Damping(scalars.damping / GROWTH, radius=GROWTH * scalars.scaled_step_norm)
        return damping._replace(value=scalars.damping)

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """Shrink; the shorter the radius, the more damping."""
        assert damping.radius is not None, "`start` sets a radius"
        share = _share(gain_ratio, scalars)
        guess, length = damping.value, damping.radius
        if scalars.valid:
            guess, length = scalars.damping, min(length, scalars.scaled_step_norm)
        return Damping(guess / share, radius=max(share * length, sys.float_info.min))


def _share(gain_ratio: float, scalars: StepScalars) -> float:
    """Where a parabola along the step has its minimum, as a share of the step.

    It has the cost's value and slope at the start, and its value at the end: slope / (2 (slope - rise)),
    rise = -rho predicted_reduction and -slope = 2 predicted_reduction - damping |D^(1/2) step|^2.
    """
    if gain_ratio >= 0:
        return MOST_SHARE
    predicted, length = scalars.predicted_reduction, scalars.scaled_step_norm
    descent, rise = 2 * predicted - scalars.damping * length * length, -gain_ratio * predicted
    # Comparisons with what is not a number are false, so that an invalid trial shrinks the most.
    share = descent / (2 * (descent + rise)) if descent > 0 else 0.0
    return min(max(LEAST_SHARE, share), MOST_SHARE)
