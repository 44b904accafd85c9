"""The modified Cholesky factorization: H itself where it is positive definite, else a matrix that is."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.device import modified as device
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.host import modified as host

HOST, DEVICE = HostAlgebra("float64"), DeviceAlgebra("float64")
on_device = tf.function(device.modified_cholesky, jit_compile=True, autograph=False)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def with_eigenvalues(values, seed):
    Q = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    A = Q @ np.diag(values) @ Q.T
    return (A + A.T) / 2


def factored(matrix):
    """tau, D and L L^T."""
    shift, scaling, factor = host.modified_cholesky(np.asfortranarray(matrix))
    L = np.tril(factor)
    return shift, scaling, L @ L.T


sizes, seeds = st.integers(1, 8), st.integers(0, 2**32 - 1)


@given(size=sizes, seed=seeds, decades=st.floats(0, 10))
def test_a_positive_definite_matrix_stays(size, seed, decades):
    matrix = with_eigenvalues(np.logspace(0, -decades, size), seed)
    shift, _, product = factored(matrix)
    assert shift == 0
    np.testing.assert_allclose(product, matrix, atol=1e-14)


@given(size=sizes, seed=seeds, scale=st.sampled_from([1e-12, 1.0, 1e12]))
def test_any_other_matrix_becomes_positive_definite_by_little(size, seed, scale):
    rng = np.random.default_rng(seed)
    values = scale * rng.normal(size=size)
    matrix = with_eigenvalues(values, seed)
    shift, scaling, product = factored(matrix)
    np.testing.assert_allclose(product, matrix + np.diag(shift * scaling), atol=1e-13 * scale)
    eigenvalues = np.linalg.eigvalsh(product)
    assert eigenvalues[0] > 0
    assert (shift == 0) == (values.min() > 0)
    # No more than twice what is needed in the norm of D, and the start.
    needed = max(0, -scipy.linalg.eigh(matrix, np.diag(scaling), eigvals_only=True)[0])
    diagonal = max(0, np.max(-np.diagonal(matrix) / scaling))
    assert shift <= 2 * max(needed, diagonal) + 1e-7


@given(size=sizes, seed=seeds)
def test_the_step_goes_downhill(size, seed):
    rng = np.random.default_rng(seed)
    matrix, gradient = with_eigenvalues(rng.normal(size=size), seed), rng.normal(size=size)
    params, lengths = tf.constant(rng.normal(size=size)), (1.0, 0.25)
    curvature = HOST.matrix(tf.constant(matrix), tf.constant(gradient), modified=True)
    for length in lengths:
        moved, _, scalars = HOST.newton_step(curvature, params, tf.reduce_sum, length)
        slope = gradient @ (np.asarray(moved) - params.numpy()) / length
        assert slope < 0
        expected = -length * (1 - length / 2) * slope
        assert scalars.predicted_reduction == pytest.approx(expected, rel=1e-6, abs=1e-13)


def test_units_do_not_change_which_matrix_is_positive_definite():
    units = np.diag([1e-8, 1.0, 1e8])
    matrix = units @ with_eigenvalues([1.0, 2.0, 3.0], 1) @ units
    shift, _, product = factored(matrix)
    assert shift == 0
    np.testing.assert_allclose(product, matrix, rtol=1e-13)


MATRICES = {
    "positive": with_eigenvalues([1.0, 2.0, 3.0], 2),
    "indefinite": with_eigenvalues([1.0, -2.0, 3.0], 2),
    "negative": with_eigenvalues([-1.0, -2.0, -3.0], 2),
    "saddle": np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    "rank 1": np.ones((3, 3)),
    "a column of zeros": np.diag([1.0, 0.0, 2.0]),
    "zero": np.zeros((3, 3)),
    "nan": np.full((3, 3), np.nan),
    "infinite": np.diag([1.0, np.inf, 1.0]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_device_factors_as_the_host(name):
    matrix, gradient, params = (
        MATRICES[name],
        tf.constant([1.0, -2.0, 0.5], tf.float64),
        tf.zeros(3, tf.float64),
    )
    found = host.modified_cholesky(np.asfortranarray(matrix))
    shift, scaling, factor = (part.numpy() for part in on_device(tf.constant(matrix)))
    results = [
        algebra.newton_step(
            algebra.matrix(tf.constant(matrix), gradient, modified=True), params, tf.reduce_sum, 0.5
        )
        for algebra in (HOST, DEVICE)
    ]
    (moved, loss, scalars), (other, other_loss, others) = results
    assert scalars.valid == others.valid == (name not in {"nan", "infinite"})
    if found is None:
        assert np.isnan(shift)
        assert np.all(np.isnan(factor))
        np.testing.assert_array_equal(np.asarray(other), params.numpy())
        return
    assert shift == pytest.approx(found.shift, rel=1e-12)
    np.testing.assert_allclose(scaling, found.scaling, rtol=1e-14)
    np.testing.assert_allclose(np.tril(factor), np.tril(found.factor), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.asarray(other), np.asarray(moved), rtol=1e-9)
    assert other_loss == pytest.approx(loss, abs=1e-9 * scalars.step_norm)
    assert (others.predicted_reduction, others.step_norm) == pytest.approx(
        (scalars.predicted_reduction, scalars.step_norm), rel=1e-9
    )
    assert np.tensordot(gradient, moved, 1) < 0
