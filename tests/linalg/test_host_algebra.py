"""The host's algebra against dense NumPy and SciPy in float64."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.host import (
    HostAlgebra,
    add_gram,
    add_to_diagonal,
    factorize,
    solve_factorized,
    solve_symmetric,
    symmetrized,
)

sizes = st.integers(1, 8)
seeds = st.integers(0, 2**32 - 1)
algebra = HostAlgebra("float64")


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def orthogonal(size, seed):
    return scipy.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def with_eigenvalues(values, seed):
    Q = orthogonal(len(values), seed)
    A = Q @ np.diag(values) @ Q.T
    return np.asfortranarray((A + A.T) / 2)


def lower(matrix):
    """The lower triangle, and in the upper one what must not be read."""
    return np.asfortranarray(np.tril(matrix) + np.triu(np.full_like(matrix, np.nan), 1))


@given(rows=st.integers(1, 12), size=sizes, seed=seeds)
def test_add_gram_adds_the_lower_triangle(rows, size, seed):
    rng = np.random.default_rng(seed)
    J, before = rng.normal(size=(rows, size)), np.asfortranarray(rng.normal(size=(size, size)))
    expected = np.tril(before + J.T @ J)
    total = add_gram(before.copy(order="F"), np.ascontiguousarray(J.T))
    np.testing.assert_allclose(np.tril(total), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(np.triu(total, 1), np.triu(before, 1))


@given(size=sizes, seed=seeds, decades=st.floats(0, 8))
def test_positive_definite_systems_are_solved(size, seed, decades):
    A = with_eigenvalues(np.logspace(0, -decades, size), seed)
    b = np.random.default_rng(seed).normal(size=size)
    expected = scipy.linalg.solve(A, b, assume_a="pos")
    solution = solve_factorized(factorize(lower(A)), b)
    np.testing.assert_allclose(solution, expected, rtol=1e-13 * 10**decades, atol=1e-14 * 10**decades)


@given(size=sizes, seed=seeds, damping=st.floats(1e-3, 1e3))
def test_the_damped_step_solves_its_equation(size, seed, damping):
    rng = np.random.default_rng(seed)
    J, g, D = rng.normal(size=(5, size)), rng.normal(size=size), rng.uniform(0.1, 10, size)
    gram = lower(J.T @ J)
    before = gram.copy()
    step = solve_factorized(factorize(add_to_diagonal(gram, damping * D)), -g)
    expected = np.linalg.solve(J.T @ J + damping * np.diag(D), -g)
    np.testing.assert_allclose(step, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(gram, before)


@given(size=sizes, seed=seeds, damping=st.floats(1e-3, 1e3))
def test_the_scalars_of_a_damped_step(size, seed, damping):
    rng = np.random.default_rng(seed)
    J, r, D = rng.normal(size=(9, size)), rng.normal(size=9), rng.uniform(0.1, 10, size)
    params = rng.normal(size=size)
    moved, scalars = algebra.damped_step(lower(J.T @ J), J.T @ r, damping, D, tf.constant(params))
    step = np.linalg.solve(J.T @ J + damping * np.diag(D), -J.T @ r)
    np.testing.assert_allclose(moved.numpy(), params + step, rtol=1e-9, atol=1e-9)
    assert scalars.valid
    # By the definition, not by the shorter formula of the code: cost(0) - cost(step) of the linear model.
    reduction = 0.5 * np.sum(r**2) - 0.5 * np.sum((r + J @ step) ** 2)
    assert scalars.predicted_reduction == pytest.approx(reduction, rel=1e-8, abs=1e-12)
    assert scalars.step_norm == pytest.approx(np.sqrt(np.sum(step**2)), rel=1e-9)
    assert scalars.params_norm == pytest.approx(np.sqrt(np.sum(params**2)), rel=1e-14)


@given(size=st.integers(2, 8), seed=seeds)
def test_newton_steps_of_indefinite_matrices(size, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 2, size) * np.where(np.arange(size) % 2, -1, 1)
    A, g, params = with_eigenvalues(values, seed), rng.normal(size=size), rng.normal(size=size)
    moved, scalars = algebra.newton_step(lower(A), g, tf.constant(params))
    step = np.linalg.solve(A, -g)
    np.testing.assert_allclose(moved.numpy(), params + step, rtol=1e-11, atol=1e-11)
    expected = -(g @ step) - 0.5 * (step @ A @ step)
    assert scalars.predicted_reduction == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_singular_is_decided_at_the_rounding():
    b = np.ones(4)
    assert solve_symmetric(with_eigenvalues([1, 1, 1, 1e-14], 1), b) is not None
    assert solve_symmetric(with_eigenvalues([1, 1, 1, -1e-14], 1), b) is not None
    assert solve_symmetric(with_eigenvalues([1, 1, 1, 1e-17], 1), b) is None
    assert solve_symmetric(np.diag([1e-30, 2e-30, 3e-30, 4e-30]), b) is not None


BROKEN = {
    "indefinite": np.diag([1.0, -1.0, 1.0]),
    "zero": np.zeros((3, 3)),
    "rank 1": np.ones((3, 3)),
    "nan": np.full((3, 3), np.nan),
    "one nan": np.diag([1.0, np.nan, 1.0]),
    "infinite": np.array([[1.0, 0, 0], [np.inf, np.inf, 0], [0, 0, 1]]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_factored_is_invalid(name, capfd):
    params = tf.constant([1.0, 2.0, 3.0], tf.float64)
    gram = np.asfortranarray(BROKEN[name])
    moved, scalars = algebra.damped_step(gram, np.ones(3), 0.0, np.ones(3), params)
    assert not scalars.valid
    assert moved is params
    if name != "indefinite":
        moved, scalars = algebra.newton_step(gram, np.ones(3), params)
        assert not scalars.valid
        assert moved is params
    # LAPACK reports wrong arguments on the terminal.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("gradient", [[np.nan, 1, 1], [np.inf, 1, 1], [1e308, -1e308, 1e308]])
def test_a_step_that_is_not_finite_is_invalid(gradient):
    params = tf.constant([1.0, 2.0, 3.0], tf.float64)
    gram, gradient = np.asfortranarray(1e-4 * np.eye(3)), np.array(gradient)
    assert not algebra.damped_step(gram, gradient, 0.0, np.ones(3), params)[1].valid
    assert not algebra.newton_step(gram, gradient, params)[1].valid


def test_damping_makes_a_singular_matrix_regular():
    params = tf.constant([0.0, 0.0, 0.0], tf.float64)
    moved, scalars = algebra.damped_step(np.zeros((3, 3), order="F"), np.ones(3), 0.5, np.ones(3), params)
    assert scalars.valid
    np.testing.assert_allclose(moved.numpy(), [-2.0, -2.0, -2.0], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_has_the_algebras_type(dtype, rng):
    host = HostAlgebra(dtype)
    gram, gradient = host.zeros(3)
    J, r = tf.constant(rng.normal(size=(3, 5)), dtype), tf.constant(rng.normal(size=5), dtype)
    gram, gradient = host.add_rows(gram, gradient, J, r)
    scaling = host.clip(host.diagonal(gram), 1e-6, 1e32)
    moved, _ = host.damped_step(gram, gradient, 0.1, scaling, tf.zeros(3, dtype))
    parts = (gram, gradient, scaling, host.ones_like(gradient), moved)
    assert {np.asarray(part).dtype.name for part in parts} == {dtype}


def test_rows_overflow_without_a_warning():
    J, r = tf.constant([[1e200], [1.0]], tf.float64), tf.constant([1e200], tf.float64)
    gram, gradient = algebra.add_rows(*algebra.zeros(2), J, r)
    assert np.isinf(gram[0, 0])
    assert algebra.largest(gradient) == np.inf
    assert np.isnan(algebra.largest(np.array([1.0, np.nan, 2.0])))


def test_adopt_and_symmetrized(rng):
    A = with_eigenvalues([1.0, 2.0, -3.0], 5)
    adopted = algebra.adopt(tf.constant(A))
    np.testing.assert_array_equal(adopted, A)
    assert adopted.flags.f_contiguous
    np.testing.assert_array_equal(symmetrized(lower(A)), A)


def test_a_jacobian_is_not_copied(monkeypatch):
    J = tf.ones((3, 4), tf.float64)
    seen = []
    monkeypatch.setattr("lmrun.linalg.host.add_gram", lambda gram, rows: seen.append(rows) or gram)
    algebra.add_rows(*algebra.zeros(3), J, tf.ones(4, tf.float64))
    assert np.shares_memory(seen[0], np.asarray(J))
