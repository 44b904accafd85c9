"""The covariance of robust fits against White's, differences of the loss, and fits to simulated data."""

import numpy as np
import pytest
from problems import Fit, line

from lmrun.inference.answers import robust_answer
from lmrun.inference.sandwich import Bent
from lmrun.inference.undefined import Undefined

WHY = Undefined("the loss is robust")
LOSSES = {
    "squares": lambda z: z,
    "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(z) - 1),
    "soft_l1": lambda z: 2 * (np.sqrt(1 + z) - 1),
    "cauchy": np.log1p,
    "arctan": np.arctan,
}
"""rho(e) = loss(e^2)."""
STEP = 1e-4


def rho(name, errors):
    return LOSSES[name](errors**2)


def psi(name, errors):
    """Half the derivative of rho."""
    return (rho(name, errors + STEP) - rho(name, errors - STEP)) / (4 * STEP)


def bend(name, errors):
    return (psi(name, errors + STEP) - psi(name, errors - STEP)) / (2 * STEP)


def robust(name, fit, params):
    """The parameters of a robust line and their answers, with derivatives by differences."""
    for _ in range(60):
        errors = fit.values(params) - fit.y
        jacobian = fit.jacobian(params)
        weight = fit.weights * psi(name, errors) / errors
        params = params - np.linalg.solve((jacobian.T * weight) @ jacobian, jacobian.T @ (weight * errors))
    errors = fit.values(params) - fit.y
    v = psi(name, errors) / errors
    root = np.sqrt(v)
    reweighted = Fit(fit.formula, fit.x, fit.y, v * fit.weights)
    whole = np.sqrt(fit.weights) * root
    part = Bent(whole[:, None] * fit.jacobian(params), whole * errors, bend(name, errors) / v)
    return params, robust_answer(reweighted.solution(params), [part], WHY)


@pytest.mark.parametrize("name", LOSSES)
def test_an_m_estimator(rng, name):
    """(J^T W J)^-1 B (J^T W J)^-1 as it stands in the book."""
    fit, start = line(rng, rows=40, weights=rng.uniform(0.5, 2, 40))
    fit.y[[3, 20, 31]] += [8.0, -6.0, 5.0]
    params, answers = robust(name, fit, start)
    errors, jacobian = fit.values(params) - fit.y, fit.jacobian(params)
    slopes = (fit.weights * psi(name, errors))[:, None] * jacobian
    np.testing.assert_allclose(slopes.sum(axis=0), 0, atol=1e-6)
    bread = np.linalg.inv((jacobian.T * (fit.weights * bend(name, errors))) @ jacobian)
    covariance = 40 / 38 * bread @ slopes.T @ slopes @ bread
    found = [one.standard_error for one in answers.estimates]
    np.testing.assert_allclose(found, np.sqrt(np.diag(covariance)), rtol=1e-7)
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert answers.correlation[0, 1] == pytest.approx(expected, rel=1e-6)
    assert (answers.statistics.aic, answers.statistics.degrees_of_freedom) == (WHY, 38)


@pytest.mark.parametrize("name", ["huber", "cauchy"])
def test_the_scatter_of_many_fits(rng, name):
    """Errors by Student's t of two degrees of freedom, whose variance is infinite."""
    x = np.linspace(-1, 2, 60)
    values, errors = [], []
    for _ in range(300):
        fit = Fit(lambda b, x: b[0] + b[1] * x, x, 0.7 - 1.3 * x + 0.5 * rng.standard_t(2, size=60))
        params, answers = robust(name, fit, np.array([0.7, -1.3]))
        values.append(params)
        errors.append([one.standard_error for one in answers.estimates])
    # 300 fits know their deviation to 4 %, the sandwich is a little short with few rows.
    np.testing.assert_allclose(np.mean(errors, axis=0) / np.std(values, axis=0), 1, atol=0.13)


def test_in_words(rng):
    fit, start = line(rng, rows=12)
    wide = Fit(fit.formula, fit.x, 30 * fit.y + 500 * rng.normal(size=12))
    beyond = Bent(wide.jacobian(start), np.ones(12), np.full(12, -0.5))
    least, params = line(rng, rows=12)
    lost = robust_answer(least.solution(params), [beyond], WHY)
    assert lost.estimates[0].standard_error.reason.startswith("the loss does not bend upwards")
    away = robust_answer(least.solution(params + 1), [beyond], WHY)
    assert away.estimates[0].standard_error.reason.startswith("the fit is not at a minimum")
    two = Fit(fit.formula, fit.x[:2], fit.y[:2])
    exact = robust_answer(two.solution(two.polished(params)), [beyond], WHY)
    assert "leave no degrees of freedom" in exact.estimates[0].standard_error.reason
