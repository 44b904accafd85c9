"""Conjugate gradients that end early, against minima over Krylov spaces by dense algebra."""

from dataclasses import fields

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.solvers import CgSolver
from lmrun.linalg.algebra import Damping, Product
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import TRUNCATION, Truncation

RNG = np.random.default_rng(8)
J = RNG.normal(size=(20, 12)) * np.logspace(0, -2, 12)
r = RNG.normal(size=20)
GRADIENT, DIAGONAL, D = J.T @ r, np.sum(J * J, axis=0), RNG.uniform(0.5, 2, 12)
A = J.T @ J + 0.01 * np.diag(D)
ALL = 12

each_place = pytest.mark.parametrize("place", [HostAlgebra, DeviceAlgebra])


def product(vector, matrix):
    return tf.linalg.matvec(matrix, tf.linalg.matvec(matrix, vector), transpose_a=True)


def solve(place, truncation):
    matrix = tf.constant(J)
    products = Product(lambda vector: product(vector, matrix), product, lambda: (matrix,))
    algebra = place("float64", truncation)
    curvature = algebra.matrix_free(products, tf.constant(GRADIENT), tf.constant(DIAGONAL))
    return np.asarray(curvature.damped(Damping(0.01, algebra.adopt(tf.constant(D)))).step)


def krylov(count):
    """The minimizer of the model over the space of `count` products, and how far the model falls."""
    scaled = np.diag(1 / np.diag(A))
    columns = [scaled @ -GRADIENT]
    for _ in range(count - 1):
        columns.append(scaled @ A @ columns[-1])
        columns[-1] /= np.linalg.norm(columns[-1])
    Q = np.linalg.qr(np.column_stack(columns))[0]
    x = Q @ np.linalg.solve(Q.T @ A @ Q, Q.T @ -GRADIENT)
    return x, -GRADIENT @ x - 0.5 * x @ A @ x


@pytest.mark.parametrize("count", [1, 3, 5])
@each_place
def test_products_are_counted(place, count):
    found = solve(place, Truncation(1e-13, 0, count))
    np.testing.assert_allclose(found, krylov(count)[0], rtol=1e-7)


@pytest.mark.parametrize("progress", [0.3, 0.03, 0.003])
def test_they_end_where_the_model_falls_no_further(progress):
    falls = [0.0, *(krylov(count)[1] for count in range(1, ALL + 1))]
    ends = (i for i in range(1, ALL + 1) if i * (falls[i] - falls[i - 1]) <= progress * falls[i])
    count = next(ends)
    assert 1 < count < ALL
    host, device = (solve(place, Truncation(1e-13, progress)) for place in (HostAlgebra, DeviceAlgebra))
    np.testing.assert_allclose(host, krylov(count)[0], rtol=1e-6)
    np.testing.assert_allclose(device, host, rtol=1e-9)


@each_place
def test_without_limits_they_solve(place):
    np.testing.assert_allclose(solve(place, Truncation(1e-13, 0)), np.linalg.solve(A, -GRADIENT), rtol=1e-9)


def test_config_and_algebra_have_the_same_defaults():
    config = CgSolver(name="cg")
    for field in fields(TRUNCATION):
        assert getattr(config, field.name) == getattr(TRUNCATION, field.name)
