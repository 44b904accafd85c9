"""All answers of a fit in one value."""

from __future__ import annotations

from dataclasses import dataclass

from lmrun.inference.covariance import Factored, factor
from lmrun.inference.intervals import LEVEL, Estimate, correlation, estimates
from lmrun.inference.solution import Solution
from lmrun.inference.statistics import Statistics, scale_of_errors, statistics
from lmrun.inference.undefined import Float64


@dataclass(frozen=True)
class Answers:
    """What a fit says of its parameters.

    Attributes:
        solution: The fit.
        factored: Its Jacobian.
        level: Of the intervals.
        estimates: One per parameter.
        correlation: Of the estimates [n, n], NaN where there is none.
        statistics: Of the whole.
    """

    solution: Solution
    factored: Factored
    level: float
    estimates: tuple[Estimate, ...]
    correlation: Float64
    statistics: Statistics


def answer(solution: Solution, level: float = LEVEL) -> Answers:
    """Draw all conclusions from a fit; J and r have to be finite."""
    factored = factor(solution)
    deviation = scale_of_errors(solution, factored)
    found = estimates(solution, factored, deviation, level)
    return Answers(
        solution=solution,
        factored=factored,
        level=level,
        estimates=found,
        correlation=correlation(found, factored),
        statistics=statistics(solution, factored),
    )
