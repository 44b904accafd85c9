"""What an update of the damping is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from lmrun.linalg.algebra import StepScalars


class Damping(NamedTuple):
    """What an update carries from trial to trial and from step to step.

    Attributes:
        value: The damping lambda of the next trial; with a radius, the guess that its iteration starts from.
        growth: A number that the update keeps for itself, such as the factor nu by which Nielsen's next
            rejection raises the damping.
        radius: Where given, the next trial finds the damping for which |D^(1/2) step|_2 is the radius.
    """

    value: float
    growth: float = 1.0
    radius: float | None = None


class Update(Protocol):
    """A rule for the damping: pure functions of plain numbers.

    A step ends without progress when a rejected trial leaves value and radius as they are: the next trial
    would be the same.
    """

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """Return the first damping.

        Args:
            largest: The largest element of diag(J^T J) / D.
            scaled_norm: |D^(1/2) params|_2.
        """
        ...

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """Return the damping after an accepted step.

        Args:
            damping: That of the step.
            gain_ratio: Actual over predicted reduction of the cost.
            scalars: What else is known of the step.
        """
        ...

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """Return the damping after a rejected trial.

        The gain ratio of an invalid trial is NaN; so are the scalars where the matrix could not be factored.
        """
        ...
