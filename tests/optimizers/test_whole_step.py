"""Steps without line search: one whole step, or none where the matrix or the loss does not allow it."""

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.optimizers import NewtonConfig
from lmrun.curvature.problem import Problem
from lmrun.linalg.host import symmetrized
from lmrun.optimizers.newton import gauss_newton
from lmrun.optimizers.newton import newton as build
from lmrun.status import Status

X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))


def newton():
    return build(NewtonConfig.model_validate({"name": "newton", "hessian": "exact", "line_search": "none"}))


def step(optimizer, problem):
    params = tf.constant(problem.kernels.network.params())
    state = optimizer.init(problem, params)
    assert state == {}
    moved, state, info = optimizer.step(problem, params, state)
    assert state == {}
    return params, moved, info


def test_the_two_differ_in_their_matrix():
    assert newton().curvature is Problem.second_order
    assert gauss_newton().curvature is Problem.linearize


@pytest.mark.parametrize("name", ["newton", "gauss-newton"])
def test_one_step_solves_linear_least_squares(name, make_formula, make_problem):
    targets = np.sin(X[:, :1])
    problem = make_problem(make_formula("a + b*x + c*y", a=9, b=-9, c=9), X, targets)
    _, moved, info = step({"newton": newton(), "gauss-newton": gauss_newton()}[name], problem)
    columns = np.column_stack([np.ones(9), X])
    solution, (squares,), *_ = np.linalg.lstsq(columns, targets[:, 0])
    np.testing.assert_allclose(moved.numpy(), solution, rtol=1e-11)
    assert info.losses[0] == pytest.approx(squares / 9, rel=1e-9)
    assert info.gain_ratio == pytest.approx(1.0, rel=1e-9)
    assert (info.accepted, info.attempts, info.invalid_attempts, info.status) == (True, 1, 0, None)
    assert info.damping is None


def test_a_whole_step_may_go_uphill(make_formula, make_problem):
    problem = make_problem(make_formula("arctan(a)*x", a=3), X, 0 * X[:, :1])
    params, moved, info = step(gauss_newton(), problem)
    # Newton's classic: the step from 3 for arctan(a) = 0 leads to 3 - 10 arctan(3).
    np.testing.assert_allclose(moved.numpy(), [3 - 10 * np.arctan(3)], rtol=1e-13)
    assert info.losses[0] > problem._loss(params)
    assert info.accepted
    assert info.gain_ratio < 0


def test_a_singular_matrix_ends_the_run(make_formula, make_problem):
    problem = make_problem(make_formula("(a + b)*x", a=1, b=2), X, X[:, 1:])
    params, moved, info = step(gauss_newton(), problem)
    assert moved is params
    assert info.status is Status.SINGULAR
    assert (info.accepted, info.invalid_attempts) == (False, 1)
    assert info.losses[0] == problem.loss(params)


def test_a_loss_that_is_not_finite_ends_the_run(make_formula, make_problem):
    x = np.array([[1.0, 0], [2.0, 0]])
    problem = make_problem(make_formula("log(a)*x", a=10), x, np.log(0.01) * x[:, :1])
    params, moved, info = step(gauss_newton(), problem)
    assert moved is params
    assert info.status is Status.NON_FINITE
    assert info.losses[0] == problem.loss(params)


def test_a_gradient_that_is_not_finite_ends_the_run(make_formula, make_problem):
    problem = make_problem(make_formula("sqrt(a)*x", a=-1), X, X[:, 1:])
    params, moved, info = step(gauss_newton(), problem)
    assert moved is params
    assert info.status is Status.NON_FINITE


def test_newton_uses_the_residuals_curvature(make_formula, make_problem):
    """(a - x)^2 + b y with large residuals: the two matrices differ by 2 r_i in the corner of a."""
    problem = make_problem(make_formula("(a - x)**2 + b*y", a=2, b=1), X, np.full((9, 1), 5.0))
    params, moved, _ = step(newton(), problem)
    a, b = params.numpy()
    r = (a - X[:, 0]) ** 2 + b * X[:, 1] - 5
    J = np.column_stack([2 * (a - X[:, 0]), X[:, 1]])
    H = J.T @ J + np.diag([2 * r.sum(), 0])
    matrix = symmetrized(problem.second_order(params).curvature.matrix)
    np.testing.assert_allclose(matrix, H, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moved.numpy(), [a, b] - np.linalg.solve(H, J.T @ r), rtol=1e-11)
