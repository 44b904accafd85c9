"""How the damping follows the steps. Every update is a pure function of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lmrun.config.damping import DampingConfig, UserDamping
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.optimizers.damping.base import Damping, Update
from lmrun.optimizers.damping.trust_region import TrustRegion
from lmrun.optimizers.user import load_strategy


@dataclass(frozen=True)
class Factor:
    """lambda / decrease after an accepted step, lambda * increase after a rejected trial.

    By 10 and 10 it is the classic (Marquardt 1963). A divisor above the factor, 5 and 2, is delayed
    gratification: the damping rises no further than needed, and steps follow the floor of a valley.

    Source: Transtrum and Sethna 2012, Improvements to the Levenberg-Marquardt algorithm for nonlinear
    least-squares minimization, section 2.
    """

    initial: float
    increase: float
    decrease: float

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """An absolute number."""
        return Damping(self.initial, self.increase)

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """Whatever the gain ratio was."""
        return Damping(damping.value / self.decrease, self.increase)

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """By the same factor each time."""
        return Damping(damping.value * self.increase, self.increase)


@dataclass(frozen=True)
class Nielsen:
    """lambda max(1/3, 1 - (2 rho - 1)^3), nu = 2 if accepted; lambda nu, nu <- 2 nu if rejected.

    Source: Madsen, Nielsen and Tingleff 2004, Methods for non-linear least squares problems, algorithm 3.16.
    """

    initial: float

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """Relative to the matrix: initial * max(diag(J^T J) / D); initial alone where the matrix is zero."""
        return Damping(self.initial * largest if largest > 0 else self.initial, 2.0)

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """The better the quadratic model predicted, the less damping."""
        surplus = 2 * gain_ratio - 1
        # Products: `**` raises where a ratio of roundings overflows.
        return Damping(damping.value * max(1 / 3, 1 - surplus * surplus * surplus), 2.0)

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """Faster each time."""
        return Damping(damping.value * damping.growth, 2 * damping.growth)


@dataclass(frozen=True)
class Constant:
    """Lambda stays as it is."""

    value: float

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """An absolute number."""
        return Damping(self.value)

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """The same."""
        return damping

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """The same, which ends the step."""
        return damping


def _by_factors(config: Any) -> Update:
    return Factor(config.initial, config.increase, config.decrease)


UPDATES: dict[str, Callable[[Any], Update]] = {
    "factor": _by_factors,
    "nielsen": lambda config: Nielsen(config.initial),
    "delayed-gratification": _by_factors,
    "trust-region": lambda config: TrustRegion(config.initial_radius),
    "constant": lambda config: Constant(config.value),
}


def build_update(config: DampingConfig) -> Update:
    """Return the update that a config names."""
    if isinstance(config, UserDamping):
        update: Update = load_strategy(
            config.update, config.arguments, Update, "optimizer.damping.update", _rehearse
        )
        return update
    return UPDATES[config.update](config)


def _rehearse(update: Update) -> str | None:
    """Ask a user's update for dampings, on made-up numbers, and say what is wrong with its answers."""
    scalars = StepScalars(True, 1.0, 1.0, 1.0, 1.0, 1.0)
    damping = update.start(1.0, 1.0)
    asked: dict[str, Callable[[], Damping]] = {
        "start": lambda: damping,
        "accepted": lambda: update.accepted(damping, 0.5, scalars),
        "rejected": lambda: update.rejected(damping, -1.0, scalars),
        "rejected, after an invalid trial,": lambda: update.rejected(damping, math.nan, INVALID),
    }
    for name, ask in asked.items():
        answer = ask()
        if not isinstance(answer, Damping):
            return f"{name} should return a lmrun.optimizers.damping.base.Damping, not {answer!r}"
    return None
