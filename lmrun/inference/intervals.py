"""Standard errors and confidence intervals of every parameter, and how they are correlated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from lmrun.inference.covariance import Factored, mixed
from lmrun.inference.solution import Solution
from lmrun.inference.undefined import Answer, Float64, Interval, Undefined

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """One parameter.

    Attributes:
        name: Its name.
        value: Its value.
        standard_error: Of the value.
        interval: Around it, at the level that was asked for.
    """

    name: str
    value: float
    standard_error: Answer
    interval: Interval | Undefined


def quantile(level: float, degrees_of_freedom: float, known_sigma: bool) -> float:
    """Return the two-sided quantile: Student's t, of the normal distribution where sigma is known."""
    upper = 0.5 + level / 2
    return float(ndtri(upper) if known_sigma else stdtrit(degrees_of_freedom, upper))


def estimates(
    solution: Solution, factored: Factored, deviation: Answer, level: float = LEVEL
) -> tuple[Estimate, ...]:
    """Return the estimates with their errors s sqrt(C_ii) and intervals value -+ t s sqrt(C_ii).

    C = (J^T J)^-1, by `covariance.Factored`; t is Student's with m - rank degrees of freedom.
    Source: Seber and Wild 1989, Nonlinear Regression, sections 2.1.2 and 5.1.

    Args:
        solution: The fit.
        factored: Its Jacobian.
        deviation: s, or why there is none.
        level: Of the intervals.
    """
    sizes = dict(zip(factored.places, factored.deviations, strict=True))
    reasons = {**mixed(factored, solution.names)}
    reasons |= {name: Undefined(words) for name, words in solution.held.items()}
    freedom = solution.observed.count - factored.rank
    factor = quantile(level, freedom, solution.known_sigma)
    return tuple(
        around(
            name, float(solution.params[place]), reasons.get(name) or deviation, sizes.get(place, 0.0), factor
        )
        for place, name in enumerate(solution.names)
    )


def around(name: str, value: float, deviation: Answer, size: float, factor: float) -> Estimate:
    """Return value -+ factor deviation size, or why there is no deviation."""
    if isinstance(deviation, Undefined):
        return Estimate(name, value, deviation, deviation)
    error = float(deviation * size)
    return Estimate(name, value, error, (value - factor * error, value + factor * error))


def correlation(found: Sequence[Estimate], factored: Factored) -> Float64:
    """Return the correlations of the estimates [n, n]; NaN where one of the two has no standard error.

    Rows and columns are those of all parameters.
    """
    n = len(found)
    whole = np.full((n, n), np.nan)
    errors = [found[place].standard_error for place in factored.places]
    known = [i for i, error in enumerate(errors) if not isinstance(error, Undefined)]
    places = [factored.places[i] for i in known]
    unit = factored.root[known] / factored.deviations[known, None] if known else factored.root[:0]
    inside = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(inside, 1.0)
    whole[np.ix_(places, places)] = inside
    return whole
