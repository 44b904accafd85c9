"""Averages of the parameters: the noise of mini-batches moves the steps, and cancels in their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lmrun.config.stochastic import AveragingConfig
from lmrun.linalg.algebra import Algebra
from lmrun.optimizers.base import State

Tensor = Any


class Averaging(Protocol):
    """average <- average + share (params - average)."""

    def share(self, count: int) -> float:
        """Return the share of the `count`th parameters in their average: 1 for the first; 0: no average."""
        ...


@dataclass(frozen=True)
class NoAveraging:
    """The model is where the last step led."""

    def share(self, count: int) -> float:
        """No average."""
        return 0.0


@dataclass(frozen=True)
class Polynomial:
    """share = (power + 1) / (power + count): the weight of step t grows about as t^power.

    The average forgets the start, by however many steps it goes on; a power of 0 is the plain mean.
    Source: Shamir and Zhang 2013, Stochastic gradient descent for non-smooth optimization: convergence
    results and optimal averaging schemes, section 4; the plain mean is that of Polyak and Juditsky 1992.
    """

    power: float

    def share(self, count: int) -> float:
        """Falls like 1 / count."""
        return (self.power + 1) / (self.power + count)


@dataclass(frozen=True)
class Exponential:
    """share = 1 - decay, and at the start that of the plain mean."""

    decay: float

    def share(self, count: int) -> float:
        """No less than 1 - decay."""
        return max(1 - self.decay, 1 / count)


NO_AVERAGING = NoAveraging()
AVERAGINGS: dict[str, Callable[[Any], Averaging]] = {
    "none": lambda config: NO_AVERAGING,
    "polynomial": lambda config: Polynomial(config.power),
    "exponential": lambda config: Exponential(config.decay),
}


def build_averaging(config: AveragingConfig) -> Averaging:
    """Return the averaging that a config names."""
    return AVERAGINGS[config.name](config)


def init_average(averaging: Averaging) -> State:
    """The average [n] and the number of parameters in it."""
    return {"average": None, "averaged": None} if averaging.share(1) else {}


def follow_average(averaging: Averaging, algebra: Algebra, state: State, params: Tensor) -> State:
    """Return the state after a step that led to params [n]."""
    if "average" not in state:
        return {}
    latest, before, count = algebra.adopt(params), state["average"], int(state["averaged"] or 0) + 1
    average = latest if before is None else before + averaging.share(count) * (latest - before)
    return {"average": average, "averaged": float(count)}
