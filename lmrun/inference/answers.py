"""All answers of a fit in one value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lmrun.inference.covariance import Factored, factor
from lmrun.inference.intervals import LEVEL, Estimate, correlation, estimates
from lmrun.inference.sandwich import Bent, sandwich
from lmrun.inference.solution import Solution
from lmrun.inference.statistics import (
    Statistics,
    not_at_a_minimum,
    scale_of_errors,
    statistics,
    statistics_without_squares,
)
from lmrun.inference.undefined import Answer, Float64, Undefined


@dataclass(frozen=True)
class Answers:
    """What a fit says of its parameters.

    Attributes:
        solution: The fit.
        factored: Its Jacobian.
        level: Of the intervals.
        scale: What the root of the covariance is multiplied with.
        noise: The standard deviation of an observation of weight 1.
        estimates: One per parameter.
        correlation: Of the estimates [n, n], NaN where there is none.
        statistics: Of the whole.
    """

    solution: Solution
    factored: Factored
    level: float
    scale: Answer
    noise: Answer
    estimates: tuple[Estimate, ...]
    correlation: Float64
    statistics: Statistics


def answer(solution: Solution, level: float = LEVEL) -> Answers:
    """Draw all conclusions from a fit; J and r have to be finite."""
    factored = factor(solution)
    scale = scale_of_errors(solution, factored)
    found = estimates(solution, factored, scale, level)
    return Answers(
        solution=solution,
        factored=factored,
        level=level,
        scale=scale,
        noise=scale,
        estimates=found,
        correlation=correlation(found, factored),
        statistics=statistics(solution, factored),
    )


def robust_answer(
    solution: Solution, parts: Iterable[Bent], without_squares: Undefined, level: float = LEVEL
) -> Answers:
    """Draw the conclusions from a fit under a robust loss.

    Args:
        solution: The fit, J and r being weighted as those of iteratively reweighted least squares; finite.
        parts: All observations, see `sandwich`.
        without_squares: Why there are no statistics of least squares.
        level: Of the intervals.
    """
    plain = factor(solution)
    covariance = sandwich(solution, plain, parts)
    away = not_at_a_minimum(solution, plain)
    scale: Answer = away or (covariance if isinstance(covariance, Undefined) else 1.0)
    factored = plain if isinstance(covariance, Undefined) else covariance
    found = estimates(solution, factored, scale, level)
    return Answers(
        solution=solution,
        factored=factored,
        level=level,
        scale=scale,
        noise=without_squares,
        estimates=found,
        correlation=correlation(found, factored),
        statistics=statistics_without_squares(solution, plain, without_squares),
    )
