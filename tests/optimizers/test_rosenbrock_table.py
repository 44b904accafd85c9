"""The optimizers on the smallest problem that tells them apart, against published traces."""

import numpy as np
import pytest

START = 3868.2291666666665
TABLE = {
    "sgd": (582, 1381.5379689, (9.69845e-11, 9.69855e-11), (2.50000205, 2.49999959)),
    "adam": (317, 34205.7291669, (2.42e-12, 2.44e-12), (2.49999969, 2.50000008)),
    # At 1e-20 the residuals are single roundings of the data, so that the loss is known to three digits.
    "newton": (6, 105.0435749695, (5.876e-20, 5.888e-20), (2.5, 2.5)),
    "gauss-newton": (4, 14.6530251577, (3.3741e-17, 3.3747e-17), (2.5, 2.5)),
}
X, Y = (axis.ravel() for axis in np.meshgrid([-2.0, 0, 2], [-2.0, 0, 2], indexing="ij"))


def by_hand(name, steps):
    """The losses of the method in plain NumPy: z = (a - x)^2 + b (y - x^2)^2, a = b = 2.5."""
    params, mean, square, losses = np.array([5.0, 5.0]), 0.0, 0.0, []
    truth = (2.5 - X) ** 2 + 2.5 * (Y - X**2) ** 2
    for step in range(steps + 1):
        a, b = params
        r = (a - X) ** 2 + b * (Y - X**2) ** 2 - truth
        losses.append(np.mean(r**2))
        J = np.column_stack([2 * (a - X), (Y - X**2) ** 2])
        gradient = 2 / 9 * J.T @ r
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        rate = 15 * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        match name:
            case "sgd":
                params = params - 0.0005 * gradient
            case "adam":
                params = params - rate * mean / (np.sqrt(square) + 1e-8)
            case "newton":
                params = params - np.linalg.solve(J.T @ J + np.diag([2 * r.sum(), 0]), J.T @ r)
            case "gauss-newton":
                params = params - np.linalg.solve(J.T @ J, J.T @ r)
    return losses


@pytest.fixture(scope="module", params=TABLE)
def run(request, make_driver):
    """Train to the target; returns name, losses and parameters."""
    driver, params = make_driver("rosenbrock-curve", f"optimizer={request.param}")
    state = driver.init(params)
    losses = [driver.loss(params)]
    while losses[-1] > 1e-10 and len(losses) < 1000:
        count = 1 if len(losses) == 1 else driver.most_steps
        params, state, info = driver.advance(params, state, len(losses) - 1, count)
        losses += list(info.losses)
    return request.param, losses, np.asarray(params)


def test_steps_and_losses(run):
    name, losses, _ = run
    steps, first, (low, high), _ = TABLE[name]
    assert losses[0] == pytest.approx(START, rel=1e-15)
    assert len(losses) - 1 == steps
    assert losses[1] == pytest.approx(first, rel=1e-9)
    assert low <= losses[-1] <= high


def test_parameters(run):
    name, _, params = run
    np.testing.assert_allclose(params, TABLE[name][3], atol=6e-9, rtol=0)


def test_the_whole_trace(run):
    name, losses, _ = run
    expected = by_hand(name, len(losses) - 1)
    # What is left below 1e-12 are roundings, which repeated steps carry along.
    np.testing.assert_allclose(losses, expected, rtol=1e-8, atol=1e-15)
