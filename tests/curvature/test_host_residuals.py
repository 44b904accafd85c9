"""Problems of residual functions alone: what an optimizer sees of them, and that it solves them."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from lmrun.config.optimizers import LmConfig
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.host.jets import call
from lmrun.curvature.host.residuals import Residuals, differentiated, residual_problem
from lmrun.optimizers.convergence import EXACT
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.polishing import Polished
from lmrun.status import Status

T = np.linspace(0, 2, 9)
Y = np.exp(-0.8 * T) + 0.3 + 0.01 * np.cos(37 * T)
START = np.array([2.0, 0.2, 0.0])


def function(x):
    return [x[0] * call("exp", -x[1] * T) + x[2] - Y, 0.1 * (x[0] - 1), 0.25]


def plain(x):
    return np.concatenate([x[0] * np.exp(-x[1] * T) + x[2] - Y, [0.1 * (x[0] - 1), 0.25]])


def fit(residuals, start=START, **settings):
    acceleration = "none" if residuals.bent is None else "geodesic"
    damping = {"update": "trust-region", "scaling": "typical"}
    config = {"name": "lm", "damping": damping, "acceleration": acceleration}
    problem = residual_problem(residuals, **settings)
    optimizer = Polished(levenberg_marquardt(LmConfig.model_validate(config)), EXACT)
    params, state = start, optimizer.init(problem, start)
    for _ in range(600):
        params, state, info = optimizer.step(problem, params, state)
        if info.status is not None:
            return problem, params, info.status
    raise AssertionError("no end")


def test_derivatives(central_differences):
    residuals = differentiated(function, START)
    assert (residuals.size, residuals.rows) == (3, 11)
    np.testing.assert_allclose(residuals.values(START), plain(START), rtol=1e-14)
    expected = central_differences(plain, START)
    np.testing.assert_allclose(residuals.jacobian(START), expected, atol=1e-8)
    direction = np.array([0.3, -1.0, 2.0])
    slope = lambda t: residuals.jacobian(START + t * direction) @ direction  # noqa: E731
    bent = (slope(1e-5) - slope(-1e-5)) / 2e-5
    np.testing.assert_allclose(residuals.bent(START, direction), bent, atol=1e-8)


def test_cost_and_gradient():
    problem = residual_problem(differentiated(function, START))
    r = plain(START)
    assert problem.loss(START) == pytest.approx(r @ r, rel=1e-14)
    assert problem.cost_per_loss == 0.5
    model, J = problem.linearize(START), problem.kernels.residuals.jacobian(START)
    np.testing.assert_allclose(model.gradient, J.T @ r, rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(START), J.T @ r, rtol=1e-12)


@pytest.mark.parametrize("form", ["qr", "gram"])
@pytest.mark.parametrize("bends", [True, False])
def test_the_solution(form, bends):
    residuals = differentiated(function, START)
    if not bends:
        residuals = Residuals(3, 11, residuals.values, residuals.jacobian)
    _, params, status = fit(residuals, form=form)
    assert status is Status.CONVERGED_DIGITS
    # SciPy ends 1e-8 away, Gauss and Newton do not.
    expected = least_squares(plain, START, jac="cs").x
    for _ in range(30):
        expected = expected - np.linalg.lstsq(residuals.jacobian(expected), plain(expected))[0]
    np.testing.assert_allclose(params, expected, rtol=1e-12)


def test_bounds():
    lower, upper = np.array([-np.inf, 0.9, -np.inf]), np.full(3, np.inf)
    start = np.array([2.0, 1.5, 0.0])
    _, params, _ = fit(differentiated(function, START), start, bounds=Bounds(lower, upper))
    expected = least_squares(
        plain, start, jac="cs", bounds=(lower, upper), xtol=1e-15, ftol=1e-15, gtol=1e-15
    ).x
    np.testing.assert_allclose(params, expected, rtol=1e-8)
    assert params[1] == 0.9


def test_large_residuals_that_gauss_newton_does_not_contract():
    """Brown and Dennis: the cost is 42911; without the Hessian, digits end with those of the loss."""
    t = np.arange(1.0, 21) / 5

    def brown_dennis(x):
        return [(x[0] + t * x[1] - np.exp(t)) ** 2.0 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2.0]

    start = np.array([25.0, 5, -5, -1])
    problem, params, status = fit(differentiated(brown_dennis, start), start)
    assert status is Status.CONVERGED_DIGITS
    assert problem.loss(params) == pytest.approx(85822.2016263, rel=1e-11)
    model = problem.linearize(params)
    lengths = np.sqrt(np.asarray(model.curvature.diagonal) * problem.loss(params))
    assert np.all(np.abs(model.gradient) <= 1e-14 * lengths)


def test_the_hessian(central_differences):
    problem = residual_problem(differentiated(function, START))
    expected = central_differences(lambda x: np.asarray(problem.gradient(x)), START)
    model = problem.second_order(START)
    np.testing.assert_allclose(np.asarray(model.curvature.matrix), expected, rtol=1e-7, atol=1e-8)
