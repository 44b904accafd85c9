"""All answers of a fit in one value, and the document that says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lmrun.inference.covariance import Factored, factor
from lmrun.inference.intervals import LEVEL, Estimate, correlation, estimates
from lmrun.inference.solution import Solution
from lmrun.inference.statistics import Statistics, scale_of_errors, statistics
from lmrun.inference.undefined import Float64, Undefined


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
    return Answers(
        solution=solution,
        factored=factored,
        level=level,
        estimates=estimates(solution, factored, deviation, level),
        correlation=correlation(solution, factored),
        statistics=statistics(solution, factored),
    )


def document(answers: Answers) -> dict[str, Any]:
    """Return the answers as plain data: what is not defined is None, its words stand under `reason(s)`."""
    found: dict[str, Any] = {"level": answers.level, "known_sigma": answers.solution.known_sigma}
    reasons: dict[str, str] = {}
    for field in fields(Statistics):
        value = getattr(answers.statistics, field.name)
        found[field.name] = None if isinstance(value, Undefined) else value
        if isinstance(value, Undefined):
            reasons[field.name] = value.reason
    found["estimates"] = {estimate.name: described(estimate) for estimate in answers.estimates}
    found["correlation"] = {"names": list(answers.solution.names), "matrix": answers.correlation}
    found["reasons"] = reasons
    return found


def described(estimate: Estimate) -> dict[str, Any]:
    """Return one line of the parameter table."""
    error, interval = estimate.standard_error, estimate.interval
    if isinstance(error, Undefined) or isinstance(interval, Undefined):
        reason = error.reason if isinstance(error, Undefined) else "there is none"
        return {"value": estimate.value, "standard_error": None, "interval": None, "reason": reason}
    return {"value": estimate.value, "standard_error": error, "interval": list(interval)}


def without(values: Mapping[str, float], reason: str) -> dict[str, Any]:
    """Return the document of a fit that has no answers but the values of its parameters."""
    nothing = {"standard_error": None, "interval": None, "reason": reason}
    return {
        "level": LEVEL,
        "estimates": {name: {"value": value, **nothing} for name, value in values.items()},
        "reasons": {"covariance": reason},
    }
