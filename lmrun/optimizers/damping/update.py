"""How the damping follows the steps. Every update is a pure function of plain numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lmrun.config.optimizers import DampingConfig


class Damping(NamedTuple):
    """The damping lambda and the factor nu by which the next rejection raises it."""

    value: float
    growth: float


class Update(Protocol):
    """A rule for the damping."""

    def start(self, largest: float) -> Damping:
        """Return the first damping; `largest` is the largest element of diag(J^T J) / D."""
        ...

    def accepted(self, damping: Damping, gain_ratio: float) -> Damping:
        """Return the damping after an accepted step."""
        ...

    def rejected(self, damping: Damping) -> Damping:
        """Return the damping after a rejected or invalid trial."""
        ...


@dataclass(frozen=True)
class Factor:
    """lambda / decrease after an accepted step, lambda * increase after a rejected trial (Marquardt 1963)."""

    initial: float
    increase: float
    decrease: float

    def start(self, largest: float) -> Damping:
        """An absolute number."""
        return Damping(self.initial, self.increase)

    def accepted(self, damping: Damping, gain_ratio: float) -> Damping:
        """Whatever the gain ratio was."""
        return Damping(damping.value / self.decrease, self.increase)

    def rejected(self, damping: Damping) -> Damping:
        """By the same factor each time."""
        return Damping(damping.value * self.increase, self.increase)


@dataclass(frozen=True)
class Nielsen:
    """lambda max(1/3, 1 - (2 rho - 1)^3), nu = 2 if accepted; lambda nu, nu <- 2 nu if rejected.

    Source: Madsen, Nielsen and Tingleff 2004, Methods for non-linear least squares problems, algorithm 3.16.
    """

    initial: float

    def start(self, largest: float) -> Damping:
        """Relative to the matrix: initial * max(diag(J^T J) / D); initial alone where the matrix is zero."""
        return Damping(self.initial * largest if largest > 0 else self.initial, 2.0)

    def accepted(self, damping: Damping, gain_ratio: float) -> Damping:
        """The better the quadratic model predicted, the less damping."""
        surplus = 2 * gain_ratio - 1
        # Products: `**` raises where a ratio of roundings overflows.
        return Damping(damping.value * max(1 / 3, 1 - surplus * surplus * surplus), 2.0)

    def rejected(self, damping: Damping) -> Damping:
        """Faster each time."""
        return Damping(damping.value * damping.growth, 2 * damping.growth)


UPDATES: dict[str, Callable[[Any], Update]] = {
    "factor": lambda config: Factor(config.initial, config.increase, config.decrease),
    "nielsen": lambda config: Nielsen(config.initial),
}


def build_update(config: DampingConfig) -> Update:
    """Return the update that a config names."""
    return UPDATES[config.update](config)
