"""What each parameter of a formula is to its fit: free, at a bound, fixed, or tied to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.config.models import FormulaConfig
from lmrun.config.parameters import ParameterConfig
from lmrun.curvature.host.jets import Jet, call, variables
from lmrun.inference.answers import Answers
from lmrun.inference.bands import derived
from lmrun.inference.intervals import Estimate
from lmrun.inference.undefined import Undefined

Float64 = NDArray[np.float64]


def parameters_of(experiment: Experiment) -> Mapping[str, ParameterConfig]:
    """Return the parameters of a formula by name; none for networks."""
    model = experiment.config.model
    return model.parameters if isinstance(model, FormulaConfig) else {}


def held_of(experiment: Experiment, params: Any) -> dict[str, str]:
    """Return which of the fitted parameters are at a bound, with the words for it."""
    model, held = experiment.config.model, dict[str, str]()
    if not isinstance(model, FormulaConfig):
        return held
    # A step ends at a bound exactly, but for the rounding of the bound itself.
    rounding = float(np.finfo(experiment.config.precision).eps)
    for (name, one), value in zip(model.free.items(), np.asarray(params, np.float64), strict=True):
        for kind, bound in (("lower", one.min), ("upper", one.max)):
            if bound is not None and abs(value - bound) <= rounding * abs(bound):
                held[name] = f"it is at its {kind} bound, {bound:g}, and the others are fitted with it there"
    return held


def bounds_of(experiment: Experiment) -> tuple[Float64, Float64] | None:
    """Return the lower and the upper bounds of the fitted parameters [n]; None where there are none."""
    model = experiment.config.model
    if not isinstance(model, FormulaConfig) or not any(one.bounded for one in model.free.values()):
        return None
    ends = [(one.min, one.max) for one in model.free.values()]
    lower = np.array([-np.inf if low is None else low for low, _ in ends])
    upper = np.array([np.inf if high is None else high for _, high in ends])
    return lower, upper


def remarks_on_bounds(experiment: Experiment, answers: Answers) -> dict[str, str]:
    """Return by name which intervals value -+ t error go beyond a bound, of which errors know nothing."""
    bounds = bounds_of(experiment)
    if bounds is None:
        return {}
    remarks = {}
    for estimate, *ends in zip(answers.estimates, *bounds, strict=True):
        if isinstance(estimate.interval, Undefined):
            continue
        low, high = estimate.interval
        beyond = [end for end, crossed in zip(ends, (low < ends[0], high > ends[1]), strict=True) if crossed]
        if beyond:
            words = " and ".join(f"{end:g}" for end in beyond)
            remarks[estimate.name] = (
                f"its interval goes beyond the bound {words}, where it cannot be; a profile keeps to it"
            )
    return remarks


def others(experiment: Experiment, answers: Answers) -> list[Estimate]:
    """Return the estimates of parameters that are fixed or follow others, these by the delta method."""
    model = experiment.config.model
    if not isinstance(model, FormulaConfig):
        return []
    layer = experiment.network.model.layers[0]
    params = answers.solution.params
    named = layer.expressions.parameters(variables(params.tolist()), call)
    found = []
    for name in (*model.fixed, *model.tied):
        made = named[name]
        value = float(np.ravel(made.value if isinstance(made, Jet) else made)[0])
        if not isinstance(made, Jet):
            fixed = "it is fixed" if name in model.fixed else "it follows parameters that are fixed"
            found.append(Estimate(name, value, Undefined(fixed), Undefined(fixed)))
            continue
        gradient = np.zeros(len(params))
        for place, slope in made.first.items():
            gradient[place] = float(np.ravel(slope)[0])
        found.append(derived(answers, name, value, gradient))
    return found
