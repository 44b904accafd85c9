"""The answers as plain data for `summary.json`: numbers with all digits, and words where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lmrun.inference.answers import Answers
from lmrun.inference.effective import Effective
from lmrun.inference.intervals import LEVEL, Estimate
from lmrun.inference.solution import Solution
from lmrun.inference.statistics import Statistics
from lmrun.inference.undefined import Undefined

if TYPE_CHECKING:
    # They load SciPy's optimizers, for which runs do not wait that ask for neither.
    from lmrun.inference.bootstrap import Bootstrap
    from lmrun.inference.profile import Limits


def document(
    answers: Answers, more: Sequence[Estimate] = (), order: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the answers as plain data: what is not defined is None, its words stand under `reason(s)`.

    Args:
        answers: Of the fit.
        more: Estimates of what is no parameter of the fit, such as parameters that are fixed or tied.
        order: The names of all estimates in the order of the table; left out, as they come.
    """
    found: dict[str, Any] = {"level": answers.level, "known_sigma": answers.solution.known_sigma}
    reasons: dict[str, str] = {}
    for field in fields(Statistics):
        value = getattr(answers.statistics, field.name)
        found[field.name] = None if isinstance(value, Undefined) else value
        if isinstance(value, Undefined):
            reasons[field.name] = value.reason
    lines = {estimate.name: described(estimate) for estimate in (*answers.estimates, *more)}
    found["estimates"] = {name: lines[name] for name in order or lines}
    matrix = [[None if math.isnan(value) else value for value in row] for row in answers.correlation.tolist()]
    found["correlation"] = {"names": list(answers.solution.names), "matrix": matrix}
    found["reasons"] = reasons
    return found


def described(estimate: Estimate) -> dict[str, Any]:
    """Return one line of the parameter table."""
    error, interval = estimate.standard_error, estimate.interval
    if isinstance(error, Undefined) or isinstance(interval, Undefined):
        reason = error.reason if isinstance(error, Undefined) else "there is none"
        return {"value": estimate.value, "standard_error": None, "interval": None, "reason": reason}
    return {"value": estimate.value, "standard_error": error, "interval": list(interval)}


def network_document(solution: Solution, found: Effective | Undefined) -> dict[str, Any]:
    """Return what there is to say of a network: how many of its parameters the data determine."""
    size = len(solution.names)
    document = {
        "observations": solution.observed.count,
        "parameters": size,
        "residual_sum_of_squares": solution.residual_sum_of_squares,
    }
    if isinstance(found, Undefined):
        return {**document, "effective_parameters": None, "reasons": {"effective_parameters": found.reason}}
    return {
        **document,
        "effective_parameters": found.parameters,
        "damping": found.damping,
        "degrees_of_freedom": found.degrees_of_freedom,
        "residual_standard_deviation": found.residual_standard_deviation,
        "reasons": {},
    }


def network_without(size: int, reason: str) -> dict[str, Any]:
    """Return the document of a network whose effective number of parameters is not known."""
    return {
        "parameters": size,
        "effective_parameters": None,
        "reasons": {"effective_parameters": reason},
    }


def without(values: Mapping[str, float], reason: str, level: float = LEVEL) -> dict[str, Any]:
    """Return the document of a fit that has no answers but the values of its parameters."""
    nothing = {"standard_error": None, "interval": None, "reason": reason}
    return {
        "level": level,
        "estimates": {name: {"value": value, **nothing} for name, value in values.items()},
        "reasons": {"covariance": reason},
    }


def profile_document(limits: Mapping[str, Limits], level: float) -> dict[str, Any]:
    """Return profile-likelihood intervals; an end that does not exist is None, with its reason."""
    return {
        "level": level,
        "intervals": {
            name: {
                "interval": [_number(found.lower), _number(found.upper)],
                "reasons": [_words(found.lower), _words(found.upper)],
            }
            for name, found in limits.items()
        },
    }


def bootstrap_document(found: Bootstrap, level: float, seed: int) -> dict[str, Any]:
    """Return what a bootstrap says of each parameter."""
    return {
        "level": level,
        "kind": found.kind,
        "draws": len(found.draws) + found.failed,
        "failed": found.failed,
        "seed": seed,
        "estimates": {
            name: {
                "standard_error": _number(one.standard_error),
                "percentile": _number(one.percentile),
                "bca": _number(one.bca),
                "reason": _words(one.standard_error) or _words(one.bca),
            }
            for name, one in found.scatters.items()
        },
    }


def _number(answer: Any) -> Any:
    return None if isinstance(answer, Undefined) else answer


def _words(answer: Any) -> str | None:
    return answer.reason if isinstance(answer, Undefined) else None
