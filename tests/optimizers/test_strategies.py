"""Every update with every scaling and every acceptance, on problems whose solutions are known."""

from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import least_squares

from lmrun.config.optimizers import LmConfig
from lmrun.optimizers.damping.acceptance import ACCEPTANCES
from lmrun.optimizers.damping.scaling import SCALINGS
from lmrun.optimizers.damping.update import UPDATES
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.status import Status

X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))
x, y = X[:, :1], X[:, 1:]
PROBLEMS = {
    "linear": ("a*x + b*y", 3 * x - 2 * y, (1.0, 100.0), (3.0, -2.0)),
    "curve": ("(a - x)**2 + b*(y - x**2)**2", (2.5 - x) ** 2 + 2.5 * (y - x**2) ** 2, (5.0, 5.0), (2.5, 2.5)),
    "decay": ("100*a*exp(-b*x)", 200 * np.exp(-1.5 * x), (1.5, 1.0), (2.0, 1.5)),
    "noisy": ("a*exp(b*x) - y", 2 * np.exp(x) + np.sin(9 * y), (1.0, 0.5), None),
}
"""Expression, targets, start and solution; SciPy knows the one of the last, whose residuals stay."""
SETTINGS = {("constant", scaling): {"value": 1e-3} for scaling in SCALINGS}
# Its diagonal is the square of the residuals at the start, which are 10 to 100.
SETTINGS["constant", "typical"] = {"value": 1e-6}
STEPS = 60


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request, make_formula, make_problem):
    expression, targets, (a, b), solution = PROBLEMS[request.param]
    if solution is None:
        residual = lambda params: (params[0] * np.exp(params[1] * x) - y - targets)[:, 0]  # noqa: E731
        solution = least_squares(residual, (a, b), xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    return make_problem(make_formula(expression, a=a, b=b), X, targets), solution


def optimizer_of(update, scaling, acceptance):
    damping = {"update": update, "scaling": scaling, **SETTINGS.get((update, scaling), {})}
    return levenberg_marquardt(
        LmConfig.model_validate({"name": "lm", "damping": damping, "acceptance": acceptance})
    )


@pytest.mark.parametrize(("update", "scaling", "acceptance"), list(product(UPDATES, SCALINGS, ACCEPTANCES)))
def test_every_combination_reaches_the_solution(problem, update, scaling, acceptance):
    problem, solution = problem
    optimizer = optimizer_of(update, scaling, acceptance)
    params = tf.constant(problem.kernels.network.params())
    state, losses = optimizer.init(problem, params), [problem.loss(params)]
    for _ in range(STEPS):
        before, bits = params, params.numpy().tobytes()
        params, after, info = optimizer.step(problem, params, state)
        assert before.numpy().tobytes() == bits
        assert (params is before) == (after is state) == (not info.accepted)
        if not info.accepted:
            assert info.status is Status.NO_PROGRESS
            break
        state = after
        losses.append(info.losses[0])
        if losses[-1] < 1e-26:
            break
    assert np.all(np.diff(losses) < 0)
    np.testing.assert_allclose(params.numpy(), solution, rtol=1e-6)
