"""How far to go along a direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lmrun.config.optimizers import LineSearchConfig

CONTRACTION = 0.5
"""Of a rejected length (Nocedal and Wright 2006, algorithm 3.1, rho)."""


class LineSearch(Protocol):
    """A rule for lengths, of which the first is 1.

    Attributes:
        max_attempts: Lengths that are tried.
        descends: Whether a step lowers the loss, or there is none.
    """

    @property
    def max_attempts(self) -> int:
        """Lengths that are tried."""
        ...

    @property
    def descends(self) -> bool:
        """Whether a step lowers the loss, or there is none."""
        ...

    def accepts(self, loss: float, trial_loss: float, slope: float) -> bool:
        """Say whether to take a step.

        Args:
            loss: The loss before it.
            trial_loss: The loss after it, finite.
            slope: The derivative of the loss along the step, its length included.
        """
        ...


@dataclass(frozen=True)
class Whole:
    """Go the whole way, uphill too."""

    max_attempts: int = 1
    descends: bool = False

    def accepts(self, loss: float, trial_loss: float, slope: float) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class Backtracking:
    """Halve the length until the loss falls by a share of what its slope promises (Armijo 1966).

    Source: Nocedal and Wright 2006, algorithm 3.1 and eq. 3.4. Along a direction downhill a short enough step
    does so; what is lost in the rounding of the loss is no decrease.
    """

    decrease: float
    max_attempts: int
    descends: bool = True

    def accepts(self, loss: float, trial_loss: float, slope: float) -> bool:
        """The loss also has to fall where the share of the slope is lost in its rounding."""
        return trial_loss < loss and trial_loss <= loss + self.decrease * slope


WHOLE = Whole()
LINE_SEARCHES: dict[str, Callable[[Any], LineSearch]] = {
    "none": lambda config: WHOLE,
    "backtracking": lambda config: Backtracking(config.decrease, config.max_attempts),
}


def build_line_search(config: LineSearchConfig) -> LineSearch:
    """Return the line search that a config names."""
    return LINE_SEARCHES[config.name](config)
