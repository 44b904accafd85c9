"""The N-dimensional Rosenbrock function, its derivatives and its known minima."""

from __future__ import annotations

import numpy as np

from lmrun.datasets.sampling import Float64
from lmrun.errors import DataError

NEWTON_STEPS = 20
"""Quadratic convergence from a close start needs 3 or 4."""


def rosenbrock(x: Float64, a: float, b: float) -> Float64:
    """f(x) = sum over i < N of b (x[i+1] - x[i]^2)^2 + (a - x[i])^2; float64 [..., N] to [...]."""
    head, tail = x[..., :-1], x[..., 1:]
    return np.asarray(np.sum(b * (tail - head**2) ** 2 + (a - head) ** 2, axis=-1))


def gradient(x: Float64, a: float, b: float) -> Float64:
    """df/dx, float64 [N] to [N]."""
    valley = x[1:] - x[:-1] ** 2
    result = np.zeros_like(x)
    result[:-1] = -4 * b * x[:-1] * valley - 2 * (a - x[:-1])
    result[1:] += 2 * b * valley
    return result


def hessian(x: Float64, b: float) -> Float64:
    """d²f/dx², tridiagonal, float64 [N] to [N, N]."""
    head, tail = x[:-1], x[1:]
    diagonal = np.zeros_like(x)
    diagonal[:-1] = -4 * b * (tail - head**2) + 8 * b * head**2 + 2
    diagonal[1:] += 2 * b
    return np.diag(diagonal) + np.diag(-4 * b * head, 1) + np.diag(-4 * b * head, -1)


def known_minima(dimension: int, a: float, b: float) -> Float64:
    """The global minimum and, from N = 4 on, the local one near (-1, 1, ..., 1); float64 [1 or 2, N].

    For N = 2 the only minimum is (a, a^2). For N > 2 the minimum (1, ..., 1) is known for a = 1 only.

    Raises:
        DataError: N > 2 and a is not 1, or N > 3 and there is no local minimum for this b.

    Source: Shang and Qiu 2006, "A note on the extended Rosenbrock function", Evolutionary Computation 14(1).
    """
    if dimension == 2:
        return np.array([[a, a**2]])
    if a != 1:
        raise DataError(
            f"the dataset 'rosenbrock' has no known minima for dimension = {dimension} and a = {a:g};"
            " set a: 1 or leave include_minima out."
        )
    global_minimum = np.ones((1, dimension))
    if dimension == 3:
        return global_minimum
    return np.concatenate([global_minimum, _local_minimum(dimension, b)[np.newaxis]])


def _local_minimum(dimension: int, b: float) -> Float64:
    """The minimum near (-1, 1, ..., 1) for a = 1, to float64 precision; [N]."""
    from scipy.optimize import minimize

    start = np.ones(dimension)
    start[0] = -1.0
    found = minimize(  # type: ignore[call-overload]  # the stubs lack the trust radii
        lambda x: float(rosenbrock(x, 1.0, b)),
        start,
        method="trust-exact",
        jac=lambda x: gradient(x, 1.0, b),
        hess=lambda x: hessian(x, b),
        options={"initial_trust_radius": 0.05, "max_trust_radius": 0.1},  # stay in this minimum's valley
    )
    x = np.asarray(found.x, np.float64)
    for _ in range(NEWTON_STEPS):
        curvature = np.linalg.eigvalsh(hessian(x, b))
        if x[0] >= 0 or curvature[0] <= 0:
            raise DataError(
                f"the dataset 'rosenbrock' has no local minimum near (-1, 1, ..., 1) for b = {b:g};"
                " leave include_minima out."
            )
        step = np.linalg.solve(hessian(x, b), gradient(x, 1.0, b))
        x = x - step
        if np.abs(step).max() <= np.finfo(np.float64).eps:
            break
    return x
