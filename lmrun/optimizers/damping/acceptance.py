"""Which trials are taken. A trial that is not valid never is, and no rule is asked about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lmrun.config.damping import AcceptanceConfig, UserStrategy
from lmrun.optimizers.user import load_strategy


class Acceptance(Protocol):
    """A rule for trials."""

    def accepts(self, loss: float, trial_loss: float, gain_ratio: float) -> bool:
        """Say whether to take a trial.

        Args:
            loss: The loss before the step.
            trial_loss: The loss after it, finite.
            gain_ratio: Actual over predicted reduction of the cost; NaN where nothing was predicted.
        """
        ...


@dataclass(frozen=True)
class Decrease:
    """Take what lowers the loss."""

    def accepts(self, loss: float, trial_loss: float, gain_ratio: float) -> bool:
        """By however little."""
        return trial_loss < loss


@dataclass(frozen=True)
class GainRatio:
    """Take what lowers the cost by more than a share of the prediction.

    Source: Moré 1978, algorithm 7.1; Nocedal and Wright 2006, algorithm 4.1.
    """

    threshold: float

    def accepts(self, loss: float, trial_loss: float, gain_ratio: float) -> bool:
        """A ratio that is not a number compares as false."""
        return gain_ratio > self.threshold


DECREASE = Decrease()
ACCEPTANCES: dict[str, Callable[[Any], Acceptance]] = {
    "decrease": lambda config: DECREASE,
    "gain-ratio": lambda config: GainRatio(config.threshold),
}


def build_acceptance(config: AcceptanceConfig) -> Acceptance:
    """Return the acceptance that a config names."""
    if isinstance(config, UserStrategy):
        acceptance: Acceptance = load_strategy(
            config.name, config.arguments, Acceptance, "optimizer.acceptance"
        )
        return acceptance
    return ACCEPTANCES[config.name](config)
