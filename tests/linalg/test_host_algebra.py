"""The host's algebra against dense NumPy and SciPy in float64."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.algebra import INVALID, Damping, in_turn
from lmrun.linalg.host import HostAlgebra, symmetrized
from lmrun.linalg.host.gram import HostGram, factorize, solve_factorized, solve_symmetric
from lmrun.linalg.host.matrix_free import conjugate_gradients
from lmrun.linalg.truncation import Truncation

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


def no_loss(params):
    return tf.constant(0.5, tf.float64)


def square(params):
    return tf.reduce_sum(params * params)


@given(size=sizes, seed=seeds, decades=st.floats(0, 8))
def test_positive_definite_systems_are_solved(size, seed, decades):
    A = with_eigenvalues(np.logspace(0, -decades, size), seed)
    b = np.random.default_rng(seed).normal(size=size)
    expected = scipy.linalg.solve(A, b, assume_a="pos")
    solution = solve_factorized(factorize(lower(A)), b)
    np.testing.assert_allclose(solution, expected, rtol=1e-13 * 10**decades, atol=1e-14 * 10**decades)


@given(size=sizes, seed=seeds, damping=st.floats(1e-3, 1e3))
def test_the_matrix_stays_as_it_is(size, seed, damping):
    rng = np.random.default_rng(seed)
    J, g, D = rng.normal(size=(5, size)), rng.normal(size=size), rng.uniform(0.1, 10, size)
    gram = HostGram(lower(J.T @ J), g)
    before = gram.matrix.copy()
    expected = np.linalg.solve(J.T @ J + damping * np.diag(D), -g)
    np.testing.assert_allclose(gram.damped(Damping(damping, D)).step, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(gram.matrix, before)


@given(size=sizes, seed=seeds, damping=st.floats(1e-3, 1e3))
def test_the_scalars_of_a_damped_step(size, seed, damping):
    rng = np.random.default_rng(seed)
    J, r, D = rng.normal(size=(9, size)), rng.normal(size=9), rng.uniform(0.1, 10, size)
    params = rng.normal(size=size)
    gram = HostGram(lower(J.T @ J), J.T @ r)
    moved, loss, scalars = algebra.damped_step(gram, Damping(damping, D), tf.constant(params), square)
    step = np.linalg.solve(J.T @ J + damping * np.diag(D), -J.T @ r)
    np.testing.assert_allclose(np.asarray(moved), params + step, rtol=1e-9, atol=1e-9)
    assert loss == pytest.approx(np.sum((params + step) ** 2), rel=1e-9, abs=1e-12)
    assert scalars.valid
    # By the definition, not by the shorter formula of the code: cost(0) - cost(step) of the linear model.
    reduction = 0.5 * np.sum(r**2) - 0.5 * np.sum((r + J @ step) ** 2)
    assert scalars.predicted_reduction == pytest.approx(reduction, rel=1e-8, abs=1e-12)
    assert scalars.step_norm == pytest.approx(np.sqrt(np.sum(step**2)), rel=1e-9)
    assert scalars.scaled_step_norm == pytest.approx(np.sqrt(np.sum(D * step**2)), rel=1e-9)
    assert scalars.params_norm == pytest.approx(np.sqrt(np.sum(params**2)), rel=1e-14)
    assert scalars.damping == damping


@given(size=st.integers(2, 8), seed=seeds)
def test_newton_steps_of_indefinite_matrices(size, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 2, size) * np.where(np.arange(size) % 2, -1, 1)
    A, g, params = with_eigenvalues(values, seed), rng.normal(size=size), rng.normal(size=size)
    curvature = algebra.matrix(tf.constant(A), tf.constant(g))
    moved, loss, scalars = algebra.newton_step(curvature, tf.constant(params), square)
    step = np.linalg.solve(A, -g)
    np.testing.assert_allclose(np.asarray(moved), params + step, rtol=1e-11, atol=1e-11)
    assert loss == pytest.approx(np.sum((params + step) ** 2), rel=1e-11)
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
    gram = HostGram(np.asfortranarray(BROKEN[name]), np.ones(3))
    moved, loss, scalars = algebra.damped_step(gram, Damping(0.0, np.ones(3)), params, no_loss)
    assert scalars is INVALID
    assert np.isnan(loss)
    assert moved is params
    if name != "indefinite":
        moved, _, scalars = algebra.newton_step(gram, params, no_loss)
        assert not scalars.valid
        assert moved is params
    # LAPACK reports wrong arguments on the terminal.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("gradient", [[np.nan, 1, 1], [np.inf, 1, 1], [1e308, -1e308, 1e308]])
def test_a_step_that_is_not_finite_is_invalid(gradient):
    params = tf.constant([1.0, 2.0, 3.0], tf.float64)
    gram = HostGram(np.asfortranarray(1e-4 * np.eye(3)), np.array(gradient))
    assert not algebra.damped_step(gram, Damping(0.0, np.ones(3)), params, no_loss)[2].valid
    assert not algebra.newton_step(gram, params, no_loss)[2].valid


def test_damping_makes_a_singular_matrix_regular():
    params = tf.constant([0.0, 0.0, 0.0], tf.float64)
    gram = HostGram(np.zeros((3, 3), order="F"), np.ones(3))
    moved, _, scalars = algebra.damped_step(gram, Damping(0.5, np.ones(3)), params, no_loss)
    assert scalars.valid
    np.testing.assert_allclose(np.asarray(moved), [-2.0, -2.0, -2.0], rtol=1e-15)


@pytest.mark.parametrize("form", ["gram", "dual", "qr"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_has_the_algebras_type(dtype, form, rng):
    host = HostAlgebra(dtype)
    assembly = host.assembly(form)
    part = assembly.add(assembly.start(4), tf.constant(rng.normal(size=(4, 5)), dtype))
    curvature = assembly.finish([part])
    scaling = host.clip(curvature.diagonal, 1e-6, 1e32)
    larger = host.maximum(scaling, host.ones_like(scaling))
    moved, _, _ = host.damped_step(curvature, Damping(0.1, scaling), tf.zeros(3, dtype), no_loss)
    parts = (curvature.gradient, scaling, larger, moved)
    assert {np.asarray(part).dtype.name for part in parts} == {dtype}


def test_rows_overflow_without_a_warning():
    assembly = algebra.assembly("gram")
    part = assembly.add(assembly.start(3), tf.constant([[1e200], [1.0], [1e200]], tf.float64))
    curvature = assembly.finish([part])
    assert np.isinf(curvature.diagonal[0])
    assert algebra.largest(curvature.gradient) == np.inf
    assert np.isnan(algebra.largest(np.array([1.0, np.nan, 2.0])))


def test_a_full_matrix_is_not_copied():
    A, g = tf.constant(with_eigenvalues([1.0, 2.0, -3.0], 5)), tf.ones(3, tf.float64)
    gram = algebra.matrix(A, g)
    np.testing.assert_array_equal(gram.matrix, A.numpy())
    assert gram.matrix.flags.f_contiguous
    assert np.shares_memory(gram.matrix, np.asarray(A))
    np.testing.assert_array_equal(symmetrized(lower(A.numpy())), A.numpy())


def test_a_table_is_not_copied(monkeypatch):
    table = tf.ones((3, 4), tf.float64)
    seen = []
    monkeypatch.setattr("lmrun.linalg.host.gram.add_product", lambda total, rows: seen.append(rows))
    assembly = algebra.assembly("gram")
    assembly.add(assembly.start(3), table)
    assert np.shares_memory(seen[0], np.asarray(table))


def test_the_matrix_of_a_scaling_is_kept(monkeypatch, rng):
    assembly = algebra.assembly("dual")
    curvature = assembly.finish([assembly.add(assembly.start(6), tf.constant(rng.normal(size=(6, 3))))])
    D, other = np.ones(5), 2 * np.ones(5)
    kept = curvature._product(D)
    curvature.damped(Damping(0.1, D))
    curvature.damped(Damping(10.0, D))
    assert curvature._product(D) is kept
    np.testing.assert_allclose(curvature._product(other), kept / 2, rtol=1e-14)


def test_in_turn():
    items = [[0], [1], [2], [3], [4]]
    for workers in (1, 2, 3, 5):
        assert in_turn([items[worker::workers] for worker in range(workers)]) == items


def test_conjugate_gradients_end_by_tolerance(rng):
    A = with_eigenvalues(np.logspace(0, -3, 30), 4)
    b, diagonal, used = rng.normal(size=30), np.diagonal(A), []

    def product(vector):
        used.append(vector)
        return A @ vector

    counts = []
    for tolerance in (0.5, 1e-3, 1e-6):
        used.clear()
        x = conjugate_gradients(product, b, diagonal, Truncation(tolerance, 0))
        residual = b - A @ x
        assert np.sqrt(residual @ (residual / diagonal)) <= tolerance * np.sqrt(b @ (b / diagonal)) * 1.001
        counts.append(len(used))
    assert counts == sorted(set(counts))
    used.clear()
    conjugate_gradients(product, b, diagonal, Truncation(0.0, 0, 7))
    assert len(used) == 7
    np.testing.assert_array_equal(conjugate_gradients(product, 0 * b, diagonal, Truncation(1e-6)), 0 * b)
