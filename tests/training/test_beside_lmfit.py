"""Bounds, ties and weights beside lmfit, the package for such fits: the same values to eight digits."""

import lmfit
import numpy as np
import pytest
from scipy.optimize import root
from test_digits import PROBLEMS, config_of, fit
from test_formula_fits import NOISY, SIGMA, X, curve
from test_formula_fits import config_of as config_over
from test_parameters import BOUNDS, FORMULAS, TIES

TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 4000}


def fitted(sections, residual, **method):
    """What lmfit finds: its parameters by name, from sections as a config has them."""
    parameters = lmfit.Parameters()
    for name, given in sections.items():
        section = given if isinstance(given, dict) else {"start": given}
        if "expression" in section:
            continue
        parameters.add(
            name,
            value=section["start"],
            min=section.get("min", -np.inf),
            max=section.get("max", np.inf),
            vary=not section.get("fixed", False),
        )
    # A tie reads parameters that stand behind it, too.
    later = {name: section for name, section in sections.items() if isinstance(section, dict)}
    waiting = {name: section["expression"] for name, section in later.items() if "expression" in section}
    while waiting:
        for name, text in list(waiting.items()):
            if not any(other in text for other in waiting if other != name):
                parameters.add(name, expr=waiting.pop(name))
    found = lmfit.minimize(lambda made: residual(made.valuesdict()), parameters, **TIGHT, **method)
    return found.params.valuesdict() if bounded(sections) else stationary(found.params, residual)


def bounded(sections):
    """Whether a bound may hold a parameter."""
    return any({"min", "max"} & set(section) for section in sections.values() if isinstance(section, dict))


def stationary(parameters, residual):
    """Where the gradient is zero, near lmfit's end, through lmfit's own ties.

    A search by the cost, such as all of lmfit's, ends where that stands still: up to 1e-7 of the parameters
    away where the residuals are large. The gradient is made of differences of fourth order.
    """
    free = [name for name, one in parameters.items() if one.vary]

    def values(params):
        made = parameters.copy()
        for name, value in zip(free, params, strict=True):
            made[name].value = value
        return made.valuesdict()

    def gradient(params):
        columns = []
        for step in np.diag(1e-4 * np.abs(params)):
            far = {times: residual(values(params + times * step)) for times in (-2, -1, 1, 2)}
            columns.append((far[-2] - 8 * far[-1] + 8 * far[1] - far[2]) / (12 * step.sum()))
        here = residual(values(params))
        return [column @ here / np.linalg.norm(column) / np.linalg.norm(here) for column in columns]

    start = [parameters[name].value for name in free]
    found = root(gradient, start, tol=1e-13).x
    np.testing.assert_allclose(found, start, rtol=1e-6)
    return values(found)


@pytest.mark.parametrize(("name", "parameters", "ends"), BOUNDS)
def test_bounds(name, parameters, ends, tmp_path):
    problem, x = PROBLEMS[name], np.array(PROBLEMS[name]["x"][0])
    _, params, _ = fit(config_of({**problem, "start1": parameters}, "start1", tmp_path))

    def residual(values):
        return FORMULAS[name](list(values.values()), x) - problem["y"]

    expected = fitted(parameters, residual, method="least_squares", jac="3-point", x_scale="jac")
    np.testing.assert_allclose(params, list(expected.values()), rtol=1e-8)


@pytest.mark.parametrize(("name", "parameters", "expression", "whole"), TIES)
def test_ties(name, parameters, expression, whole, tmp_path):
    problem, x = PROBLEMS[name], np.array(PROBLEMS[name]["x"][0])
    changed = {**problem, "start1": parameters, "expression": expression or problem["expression"]}
    driver, params, _ = fit(config_of(changed, "start1", tmp_path))

    def residual(values):
        return FORMULAS[name]([values[f"b{i}"] for i in (1, 2, 3)], x) - problem["y"]

    expected = fitted(parameters, residual, method="least_squares", jac="3-point", x_scale="jac")
    driver.experiment.network.assign(params)
    named = driver.experiment.network.named_params()
    np.testing.assert_allclose([named[each] for each in expected], list(expected.values()), rtol=1e-8)


def test_weights(tmp_path):
    _, params, _ = fit(config_over(tmp_path, {"x": X, "y": NOISY, "s": SIGMA}, {"sigma": "s"}, {}))

    def residual(values):
        return (curve(X, **values) - NOISY) / SIGMA

    expected = fitted({"a": 2, "b": 1, "c": 0}, residual, method="least_squares", jac="3-point")
    np.testing.assert_allclose(params, list(expected.values()), rtol=1e-8)
