"""Bounds, ties and fixed parameters of formulas against SciPy, which substitutes what it does not know."""

import numpy as np
import pytest
from scipy.optimize import least_squares, root
from test_digits import PROBLEMS, config_of, fit

from lmrun.status import Status

TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 2000}
FORMULAS = {
    "Misra1a": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "Chwirut2": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Rat42": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
}
BOUNDS = [
    ("Misra1a", {"b1": {"start": 200, "max": 230}, "b2": {"start": 5e-4, "min": 0}}, {"b1": 230}),
    ("Misra1a", {"b1": {"start": 250, "min": 240, "max": 300}, "b2": 5e-4}, {"b1": 240}),
    ("Misra1a", {"b1": {"start": 250, "min": 240}, "b2": {"start": 1e-3, "max": 1e-3}}, {"b1": 240}),
    ("DanWood", {"b1": {"start": 1, "min": 0.1}, "b2": {"start": 5, "min": 4.5}}, {"b2": 4.5}),
    (
        "Chwirut2",
        {"b1": 0.1, "b2": {"start": 0.01, "min": 0.006}, "b3": {"start": 0.02, "max": 1}},
        {"b2": 0.006},
    ),
    ("Rat42", {"b1": {"start": 75, "min": 70, "max": 80}, "b2": 2.5, "b3": {"start": 0.07, "min": 0}}, {}),
    ("Rat42", {"b1": {"start": 70, "max": 70}, "b2": 2.5, "b3": 0.07}, {"b1": 70}),
    ("MGH17", {"b1": 0.5, "b2": {"start": 1.5, "max": 1.8}, "b3": -1, "b4": 0.01, "b5": 0.02}, {"b2": 1.8}),
]
"""Problem, parameters, and those that end at a bound."""


def solved(name, residual, start, bounds=(-np.inf, np.inf)):
    return least_squares(residual, start, bounds=bounds, x_scale="jac", jac="cs", **TIGHT).x


def stationary(residual, start):
    """Where the gradient is zero, near a minimum.

    A search by the cost ends where that stands still, 1e-8 of the parameters away: SciPy's gradient, by the
    lengths of residual and columns, is 1e-8 there, this one's 1e-16.
    """

    def gradient(params):
        steps = params + 1e-30j * np.eye(len(params))
        jacobian = np.array([residual(step).imag / 1e-30 for step in steps]).T
        here = residual(params)
        return jacobian.T @ here / (np.linalg.norm(here) * np.linalg.norm(jacobian, axis=0))

    found = root(gradient, start, tol=1e-15).x
    assert np.all(np.abs(gradient(found)) < 1e-14)
    np.testing.assert_allclose(found, start, rtol=1e-6)
    return found


@pytest.mark.parametrize(("name", "parameters", "ends"), BOUNDS)
def test_bounds(name, parameters, ends, tmp_path):
    problem, x = PROBLEMS[name], np.array(PROBLEMS[name]["x"][0])
    config = config_of({**problem, "start1": parameters}, "start1", tmp_path)
    driver, params, infos = fit(config)
    found = dict(zip(parameters, params, strict=True))
    sections = [value if isinstance(value, dict) else {"start": value} for value in parameters.values()]
    lower = [section.get("min", -np.inf) for section in sections]
    upper = [section.get("max", np.inf) for section in sections]
    inside = np.clip(
        [section["start"] for section in sections], np.add(lower, 1e-9), np.subtract(upper, 1e-9)
    )
    expected = solved(name, lambda b: FORMULAS[name](b, x) - problem["y"], inside, (lower, upper))
    np.testing.assert_allclose(params, expected, rtol=1e-8)
    assert np.all((params >= lower) & (params <= upper))
    assert {name: found[name] for name in ends} == ends
    assert infos[-1].status in (Status.CONVERGED_DIGITS, Status.NO_PROGRESS)
    # The conditions of Karush, Kuhn and Tucker.
    model = driver.full.linearize(params)
    held = driver.full.bounds.held(params, model.gradient)
    assert sorted(np.array(list(parameters))[held]) == sorted(ends)
    residual = driver.full.loss(params) ** 0.5 * len(x) ** 0.5
    columns = np.sqrt(np.maximum(np.asarray(model.curvature.diagonal), 1e-300))
    free = np.asarray(model.gradient)[~held]
    assert np.all(np.abs(free) <= 1e-11 * residual * columns)


def test_every_parameter_at_a_bound(tmp_path):
    parameters = {"b1": {"start": 100, "max": 200}, "b2": {"start": 1e-4, "max": 2e-4}}
    _, params, infos = fit(config_of({**PROBLEMS["Misra1a"], "start1": parameters}, "start1", tmp_path))
    np.testing.assert_array_equal(params, [200, 2e-4])
    assert infos[-1].gradient_norm == 0


TIES = [
    # b3 = 2 b2 in the units of the data, with a chain of ties between.
    (
        "Chwirut2",
        {"b1": 0.1, "b2": 0.01, "half": {"expression": "b3/4"}, "b3": {"expression": "2*b2"}},
        "exp(-b1*x)/(2*half + b3*x)",
        lambda b: (b[0], b[1], 2 * b[1]),
    ),
    (
        "Rat42",
        {"b1": 75, "b2": {"expression": "log(b1)*b3"}, "b3": 0.7},
        None,
        lambda b: (b[0], np.log(b[0]) * b[1], b[1]),
    ),
    ("Rat42", {"b1": 75, "b2": {"start": 2.5, "fixed": True}, "b3": 0.07}, None, lambda b: (b[0], 2.5, b[1])),
]


@pytest.mark.parametrize(("name", "parameters", "expression", "whole"), TIES)
def test_ties_and_fixed_parameters(name, parameters, expression, whole, tmp_path):
    problem, x = PROBLEMS[name], np.array(PROBLEMS[name]["x"][0])
    changed = {**problem, "start1": parameters, "expression": expression or problem["expression"]}
    driver, params, infos = fit(config_of(changed, "start1", tmp_path))
    start = [value for value in parameters.values() if not isinstance(value, dict)]

    def residual(b):
        return FORMULAS[name](whole(b), x) - problem["y"]

    assert len(params) == len(start)
    expected = stationary(residual, solved(name, residual, start))
    np.testing.assert_allclose(params, expected, rtol=1e-10)
    assert infos[-1].status is Status.CONVERGED_DIGITS
    network = driver.experiment.network
    network.assign(params)
    named = network.named_params()
    assert set(named) == set(parameters)
    np.testing.assert_allclose([named[f"b{i}"] for i in (1, 2, 3)], whole(params), rtol=1e-12)


def test_a_saved_formula_keeps_ties_and_fixed_parameters(tmp_path):
    import keras
    import tensorflow as tf

    parameters = {"b1": 3.0, "b2": {"expression": "b1*b3"}, "b3": {"start": 0.5, "fixed": True}}
    changed = {**PROBLEMS["Rat42"], "start1": parameters}
    driver, _, _ = fit(config_of(changed, "start1", tmp_path))
    model = driver.experiment.network.model
    model.save(tmp_path / "model.keras")
    rows = tf.constant([[1.0], [30.0]], tf.float64)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(rows), model(rows))
