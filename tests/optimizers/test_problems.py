"""Every optimizer on a problem that is linear in its parameters, and on a small network."""

import numpy as np
import pytest

from lmrun.status import Status

PLANE = "model={name: formula, expression: a + b*x + c*y, parameters: {a: 1, b: -2, c: 3}}"
NETWORK = "model={name: mlp, hidden: [3]}"
ROWS = "dataset={name: rosenbrock-curve, points: 25, sampling: random, limit: 1}"
OPTIMIZERS = {
    "newton": "optimizer=newton",
    "gauss-newton": "optimizer=gauss-newton",
    "lm nielsen": "optimizer={name: lm, damping: {update: nielsen}}",
    "lm factor": "optimizer={name: lm, damping: {update: factor, scaling: marquardt}}",
    "lm projection": "optimizer={name: lm, projection: variable}",
    "sgd": "optimizer={name: sgd, learning_rate: 0.3}",
    "momentum": "optimizer={name: sgd, learning_rate: 0.1, momentum: 0.5, nesterov: true}",
    "adam": "optimizer={name: adam, learning_rate: 0.1}",
    "rmsprop": "optimizer={name: rmsprop, learning_rate: 0.01}",
}
LINEAR = {
    "newton": (1, 1e-12),
    "gauss-newton": (1, 1e-12),
    "lm nielsen": (12, 1e-9),
    "lm factor": (12, 1e-9),
    "sgd": (300, 1e-9),
    "momentum": (200, 1e-9),
    "adam": (1500, 1e-6),
    "rmsprop": (1500, 0.02),
}
"""Steps at most, and how close they come to the solution of the linear least squares."""
SMALL_NETWORK = {
    "lm projection": (10, 0.01),
    "lm nielsen": (20, 0.05),
    "lm factor": (20, 0.05),
    "sgd": (100, 0.5),
    "momentum": (100, 0.5),
    "adam": (100, 0.5),
}
"""Steps, and the share of the initial loss that they leave at most."""


def advance(driver, params, steps):
    state, losses = driver.init(params), [driver.loss(params)]
    while len(losses) <= steps:
        params, state, info = driver.advance(params, state, len(losses) - 1, steps + 1 - len(losses))
        if info.status in (Status.NO_PROGRESS, Status.CONVERGED_DIGITS):
            break
        assert info.status is None
        losses += list(info.losses)
    return params, losses


@pytest.mark.parametrize("name", LINEAR)
def test_linear_least_squares(name, make_driver):
    driver, params = make_driver("rosenbrock-curve", OPTIMIZERS[name], ROWS, PLANE)
    split = driver.experiment.dataset.train
    columns = np.column_stack([np.ones(split.rows), split.inputs])
    (expected, *_) = np.linalg.lstsq(columns, split.targets[:, 0])
    steps, accuracy = LINEAR[name]
    params, losses = advance(driver, params, steps)
    np.testing.assert_allclose(np.asarray(params), expected, atol=accuracy, rtol=0)
    best = np.mean((columns @ expected - split.targets[:, 0]) ** 2)
    assert losses[-1] == pytest.approx(best, rel=max(1e-12, 10 * accuracy**2))
    assert driver.loss(params) == pytest.approx(losses[-1], rel=1e-12)


@pytest.mark.parametrize("name", SMALL_NETWORK)
def test_a_small_network(name, make_driver):
    driver, params = make_driver("rosenbrock-curve", OPTIMIZERS[name], ROWS, NETWORK)
    steps, share = SMALL_NETWORK[name]
    params, losses = advance(driver, params, steps)
    assert losses[-1] < share * losses[0]
    assert driver.loss(params) == pytest.approx(losses[-1], rel=1e-12)
    if name.startswith("lm"):
        assert np.all(np.diff(losses) < 0)
