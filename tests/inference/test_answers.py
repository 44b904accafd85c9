"""Standard errors, intervals and statistics against NIST's certified values, SciPy and closed forms."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import NIST, Fit, certified, line
from scipy import stats

import lmrun
from lmrun.inference.answers import answer
from lmrun.inference.bands import derived
from lmrun.inference.documents import document, without
from lmrun.inference.solution import Solution, observe, triangle_of
from lmrun.inference.undefined import Undefined
from lmrun.runs.files import to_json

STATISTICS = ("r_squared", "adjusted_r_squared", "log_likelihood", "aic", "aicc", "bic")


def digits(value, reference):
    return -np.log10(max(abs(value - reference) / abs(reference), 1e-11))


@pytest.mark.parametrize("name", NIST)
def test_nist(name):
    fit, params, problem = certified(name)
    answers = answer(fit.solution(params))
    found = answers.statistics
    m, n = len(problem["y"]), len(params)
    squares = problem["residual_sum_of_squares"]
    assert digits(found.residual_sum_of_squares, squares) > 10
    assert found.degrees_of_freedom == m - n
    assert digits(found.residual_standard_deviation, np.sqrt(squares / (m - n))) > 10
    for estimate in answers.estimates:
        error = problem["standard_deviation"][estimate.name]
        assert digits(estimate.standard_error, error) > 10
        half = (estimate.interval[1] - estimate.interval[0]) / 2
        assert half == pytest.approx(stats.t.ppf(0.975, m - n) * error, rel=1e-9)
        assert np.mean(estimate.interval) == pytest.approx(estimate.value)


def test_chunks_give_the_same_triangle():
    fit, params, _ = certified("Gauss3")
    jacobian, residual = fit.weighted(params)
    whole = answer(fit.solution(params))
    parts = triangle_of([(jacobian[part], residual[part]) for part in np.array_split(np.arange(250), 7)])
    other = answer(Solution(whole.solution.names, params, parts, observe(fit.y)))
    for one, two in zip(whole.estimates, other.estimates, strict=True):
        assert one.standard_error == pytest.approx(two.standard_error, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_line_in_closed_form(rng, weighted):
    w = rng.uniform(0.2, 3, 12) if weighted else np.ones(12)
    fit, params = line(rng, weights=w)
    answers = answer(fit.solution(params), level=0.9)
    X = np.stack([np.ones(12), fit.x], axis=1)
    e = fit.y - X @ params
    s = np.sqrt(np.sum(w * e**2) / 10)
    covariance = s**2 * np.linalg.inv(X.T @ (w[:, None] * X))
    errors = np.sqrt(np.diag(covariance))
    for place, estimate in enumerate(answers.estimates):
        assert estimate.standard_error == pytest.approx(errors[place], rel=1e-12)
        expected = stats.t.interval(0.9, 10, loc=params[place], scale=errors[place])
        assert estimate.interval == pytest.approx(expected, rel=1e-12)
    assert answers.correlation[0, 1] == pytest.approx(covariance[0, 1] / errors.prod(), rel=1e-12)
    assert np.diag(answers.correlation).tolist() == [1, 1]
    found = answers.statistics
    mean = np.average(fit.y, weights=w)
    ratio = 1 - np.sum(w * e**2) / np.sum(w * (fit.y - mean) ** 2)
    likely = np.sum(stats.norm.logpdf(e, scale=np.sqrt(np.sum(w * e**2) / 12 / w)))
    expected = (ratio, 1 - (1 - ratio) * 11 / 10, likely, 6 - 2 * likely, 6 - 2 * likely + 24 / 8,
                3 * np.log(12) - 2 * likely)  # fmt: skip
    assert [getattr(found, name) for name in STATISTICS] == pytest.approx(expected, rel=1e-11)


def test_known_sigma(rng):
    sigma = rng.uniform(0.1, 0.5, 12)
    fit, params = line(rng, weights=sigma**-2)
    answers = answer(fit.solution(params, known_sigma=True))
    X = np.stack([np.ones(12), fit.x], axis=1) / sigma[:, None]
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
    for place, estimate in enumerate(answers.estimates):
        assert estimate.standard_error == pytest.approx(errors[place], rel=1e-12)
        assert estimate.interval == pytest.approx(
            stats.norm.interval(0.95, params[place], errors[place]), rel=1e-12
        )
    e = fit.y - fit.values(params)
    likely = np.sum(stats.norm.logpdf(e, scale=sigma))
    assert answers.statistics.aic == pytest.approx(4 - 2 * likely, rel=1e-11)


@given(st.floats(-250, 250), st.floats(-250, 250))
def test_units_do_not_matter(power_x, power_y):
    """Other units of a column and of the target change errors by their factors and no decision."""
    x, y = np.array([0.0, 1, 2, 3, 4]), np.array([1.0, 2.9, 5.2, 6.8, 9.1])
    a, b = 2.0 ** round(power_x), 2.0 ** round(power_y / 2)
    fit = Fit(lambda p, x: p[0] + p[1] * x, x, y)
    params = fit.polished([0.0, 0.0], 2)
    scaled = Fit(fit.formula, a * x, b * y)
    one = answer(fit.solution(params))
    two = answer(scaled.solution(params * [b, b / a]))
    assert two.estimates[0].standard_error == pytest.approx(b * one.estimates[0].standard_error, rel=1e-12)
    assert two.estimates[1].standard_error == pytest.approx(
        b / a * one.estimates[1].standard_error, rel=1e-12
    )
    assert two.statistics.r_squared == pytest.approx(one.statistics.r_squared, rel=1e-12)


def reasons(answers):
    return {
        estimate.name: estimate.standard_error.reason
        for estimate in answers.estimates
        if isinstance(estimate.standard_error, Undefined)
    }


def test_a_product_of_parameters(rng):
    """y = a b x + c: a and b are one number; c has its error all the same."""
    x = np.linspace(0, 1, 9)
    fit = Fit(lambda p, x: p[0] * p[1] * x + p[2], x, 6 * x + 1 + 0.1 * rng.normal(size=9))
    slope, shift = np.polyfit(x, fit.y, 1)
    answers = answer(fit.solution([2.0, slope / 2, shift], names=("a", "b", "c")))
    assert set(reasons(answers)) == {"a", "b"}
    assert reasons(answers)["a"].startswith("the data determine a and b only together: a ")
    plain = Fit(lambda p, x: p[0] * x + p[1], x, fit.y)
    expected = answer(plain.solution([slope, shift])).estimates[1]
    assert answers.estimates[2].standard_error == pytest.approx(expected.standard_error, rel=1e-9)
    assert answers.statistics.degrees_of_freedom == 7
    assert np.isnan(answers.correlation[0]).all()
    assert answers.correlation[2, 2] == 1


def test_the_direction_that_is_named_fits_as_well(rng):
    x = np.linspace(0, 1, 9)
    fit = Fit(lambda p, x: p[0] * p[1] * x, x, 6 * x + rng.normal(size=9))
    solution = fit.solution([2.0, 3.0], names=("a", "b"))
    assert reasons(answer(solution))["a"] == (
        "the data determine a and b only together: a − 0.667 h, b + 1 h fits as well for any small h"
    )


def test_a_parameter_without_effect(rng):
    x = np.linspace(0, 1, 9)
    fit = Fit(lambda p, x: p[0] * x + 0 * p[1] + p[2] * p[3], x, x + rng.normal(size=9))
    slope, shift = np.polyfit(x, fit.y, 1)
    found = reasons(answer(fit.solution([slope, 1.0, shift, 1.0], names=("a", "b", "c", "d"))))
    assert found["b"] == "it has no effect on the residuals"
    assert found["c"] == found["d"]
    assert found["c"].startswith("the data determine c and d only together: c ")
    assert "a" not in found


def test_held_parameters(rng):
    fit, params = line(rng)
    held = answer(fit.solution(params, held={"b2": "it is fixed"}))
    assert reasons(held) == {"b2": "it is fixed"}
    alone = Fit(lambda p, x: p[0] + params[1] * x, fit.x, fit.y)
    expected = answer(alone.solution(params[:1])).estimates[0].standard_error
    assert held.estimates[0].standard_error == pytest.approx(expected, rel=1e-12)
    assert held.statistics.degrees_of_freedom == 11
    every = answer(fit.solution(params, held={"b1": "fixed", "b2": "fixed"}))
    assert reasons(every) == {"b1": "fixed", "b2": "fixed"}
    assert every.statistics.degrees_of_freedom == 12


def test_a_perfect_fit():
    x = np.linspace(0, 1, 9)
    fit = Fit(lambda p, x: p[0] * np.exp(-p[1] * x), x, 2 * np.exp(-3 * x))
    answers = answer(fit.solution([2.0, 3.0]))
    words = "the fit is perfect: its residuals are rounding noise and no measure of errors"
    assert reasons(answers) == {"b1": words, "b2": words}
    for name in ("residual_standard_deviation", "aic", "aicc", "bic", "log_likelihood"):
        assert getattr(answers.statistics, name) == Undefined(words)
    assert answers.statistics.r_squared == 1
    assert not reasons(answer(fit.solution([2.0, 3.0], known_sigma=True)))
    near = Fit(fit.formula, x, fit.y * (1 + 1e-11 * np.cos(40 * x)))
    assert not reasons(answer(near.solution(near.polished([2.0, 3.0]))))


def test_as_many_parameters_as_observations():
    fit = Fit(lambda p, x: p[0] + p[1] * x, np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    answers = answer(fit.solution([1.1, 2.0]))
    words = "2 observations for 2 parameters leave no degrees of freedom"
    assert reasons(answers) == {"b1": words, "b2": words}
    assert isinstance(answers.statistics.adjusted_r_squared, Undefined)
    assert answers.statistics.aicc.reason == "it needs more than 4 observations"


def test_rows_without_weight_are_no_observations(rng):
    fit, params = line(rng)
    more = Fit(fit.formula, np.append(fit.x, 50.0), np.append(fit.y, 9.0), np.append(np.ones(12), 0.0))
    one, two = answer(fit.solution(params)), answer(more.solution(params))
    assert two.statistics.degrees_of_freedom == 10
    assert two.estimates[1].standard_error == pytest.approx(one.estimates[1].standard_error, rel=1e-12)
    assert two.statistics.aic == pytest.approx(one.statistics.aic, rel=1e-12)


def test_a_constant_target():
    fit = Fit(lambda p, x: p[0] + p[1] * x, np.arange(4.0), np.full(4, 0.1))
    found = answer(fit.solution([0.2, 0.1])).statistics.r_squared
    assert found.reason == "the target is constant: there is no variation to explain"


def test_the_document(rng):
    fit, params = line(rng)
    found = json.loads(to_json(document(answer(fit.solution(params, held={"b2": "it is fixed"})))))
    assert found["estimates"]["b2"] == {
        "value": params[1], "standard_error": None, "interval": None, "reason": "it is fixed",
    }  # fmt: skip
    assert set(found["estimates"]["b1"]) == {"value", "standard_error", "interval"}
    assert found["correlation"] == {"names": ["b1", "b2"], "matrix": [[1.0, None], [None, None]]}
    assert (found["degrees_of_freedom"], found["level"], found["reasons"]) == (11, 0.95, {})
    more = derived(answer(fit.solution(params)), "sum", params.sum(), np.ones(2))
    lines = document(answer(fit.solution(params)), [more], ["b2", "sum", "b1"])["estimates"]
    assert list(lines) == ["b2", "sum", "b1"]
    assert lines["sum"]["standard_error"] == more.standard_error
    assert without({"a": 1.5}, "no least squares")["estimates"]["a"]["reason"] == "no least squares"


def test_answers_load_neither_scipys_distributions_nor_its_optimizers():
    """Half a second of each run that asks for nothing more."""
    program = "import sys, lmrun.inference.documents; print([name in sys.modules for name in {names!r}])"
    names = ("scipy.stats", "scipy.optimize", "tensorflow")
    done = subprocess.run(
        [sys.executable, "-c", program.replace("{names!r}", repr(names))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(lmrun.__file__).parents[1])},
    )
    assert done.stdout == "[False, False, False]\n"


def test_exact_values_rounded_to_thirteen_digits_are_fitted_perfectly():
    """As NIST's Lanczos1; with eleven digits the errors are those of the rounding, and true."""
    formula = lambda b, x: b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)  # noqa: E731
    truth, x = np.array([0.0951, 1.0, 0.8607, 3.0, 1.5576, 5.0]), 0.05 * np.arange(24)
    exact = formula(truth, x)
    thirteen = Fit(formula, x, [float(f"{value:.12e}") for value in exact])
    assert set(reasons(answer(thirteen.solution(thirteen.polished(truth))))) == {f"b{i}" for i in range(1, 7)}
    eleven = Fit(formula, x, [float(f"{value:.10e}") for value in exact])
    answers = answer(eleven.solution(eleven.polished(truth)))
    for estimate, value in zip(answers.estimates, truth, strict=True):
        assert abs(estimate.value - value) < 4 * estimate.standard_error
        assert estimate.standard_error < 1e-5
