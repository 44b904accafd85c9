"""The sums over chunks against dense NumPy over all rows at once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature.batch import for_kernels, make_rows, split_batch
from lmrun.curvature.jacobian import linearize
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Trial
from lmrun.datasets.base import Split
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.linalg.host import HostAlgebra, symmetrized
from lmrun.losses.crossentropy import SparseCategoricalCrossentropy
from lmrun.losses.elementwise import MeanSquaredError

ROWS = 11
WHOLE, CHUNKED = 11, 4


@pytest.fixture(scope="module", params=["mse", "sparse"])
def case(request, make_mlp):
    """A network of two outputs, a loss, weighted rows and the same compiled functions for all tests."""
    rng = np.random.default_rng(4)
    inputs, weights = rng.normal(size=(ROWS, 2)), rng.uniform(0.5, 2, ROWS)
    if request.param == "mse":
        loss, targets = MeanSquaredError(), rng.normal(size=(ROWS, 2))
    else:
        loss, targets = SparseCategoricalCrossentropy(), rng.integers(0, 2, ROWS)
    network = make_mlp(2, [3], 2)
    return SimpleNamespace(
        network=network,
        loss=loss,
        split=Split(inputs, targets, weights),
        rows=make_rows(Split(inputs, targets, weights), "float64"),
        kernels=Kernels(network, loss),
        params=tf.constant(network.params()),
    )


def problem(case, chunk, split=None):
    batch = split_batch(split or case.split, "float64", chunk)
    return Problem(case.kernels, batch, HostAlgebra("float64"))


def dense(case):
    """The residual [q rows] and the Jacobian [q rows, n] of all rows."""
    kernels = case.kernels
    linear = linearize(kernels.graph, case.loss, case.params, *for_kernels(case.rows))
    *transposed, residual = linear.rows.numpy()
    return residual, np.transpose(transposed)


def matrix_of(model):
    return symmetrized(model.curvature.matrix)


def weighted_mean(case, params):
    """The loss by its definition."""
    values = case.loss.values(case.network.outputs(tf.constant(params), case.rows[0]), case.rows[1])
    return np.average(values.numpy(), weights=case.split.weights)


@pytest.mark.parametrize("chunk", [WHOLE, CHUNKED])
def test_the_loss_is_the_weighted_mean(case, chunk):
    assert problem(case, chunk).loss(case.params) == pytest.approx(
        weighted_mean(case, case.params), rel=1e-14
    )


@pytest.mark.parametrize("chunk", [WHOLE, CHUNKED])
def test_the_linearization_is_that_of_all_rows(case, chunk):
    model = problem(case, chunk).linearize(case.params)
    residual, jacobian = dense(case)
    np.testing.assert_allclose(matrix_of(model), jacobian.T @ jacobian, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.gradient, jacobian.T @ residual, rtol=1e-12, atol=1e-14)
    assert model.gradient_norm == np.max(np.abs(model.gradient))


def test_the_gradient_is_that_of_the_cost(case, central_differences):
    whole = problem(case, WHOLE)
    differences = central_differences(
        lambda point: np.asarray(whole.cost_per_loss * weighted_mean(case, point)), case.params.numpy()
    )
    np.testing.assert_allclose(whole.linearize(case.params).gradient, differences, rtol=1e-7, atol=1e-8)


def test_cost_per_loss(case):
    whole = problem(case, WHOLE)
    total = case.split.weights.sum()
    if case.loss.name == "mse":
        assert whole.cost_per_loss == pytest.approx(0.5 * 2 * total, rel=1e-15)
        cost = 0.5 * np.sum(dense(case)[0] ** 2)
        assert whole.cost_per_loss * whole.loss(case.params) == pytest.approx(cost, rel=1e-14)
    else:
        assert whole.cost_per_loss == pytest.approx(0.5 * total, rel=1e-15)


@pytest.mark.parametrize("chunk", [WHOLE, CHUNKED])
def test_the_hessian_is_that_of_the_cost(case, chunk, central_differences):
    chunked = problem(case, chunk)
    model = chunked.second_order(case.params)
    hessian = matrix_of(model)

    def gradient(point):
        return problem(case, chunk).linearize(tf.constant(point)).gradient

    np.testing.assert_allclose(model.gradient, gradient(case.params), rtol=1e-11, atol=1e-13)
    differences = central_differences(gradient, case.params.numpy())
    np.testing.assert_allclose(hessian, differences, rtol=1e-6, atol=1e-7)
    assert np.abs(hessian - matrix_of(chunked.linearize(case.params))).max() > 1e-3


def test_the_hessian_is_that_of_the_tape(case):
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(case.params)
        with tf.GradientTape() as inner:
            inner.watch(case.params)
            values = case.loss.values(case.network.outputs(case.params, case.rows[0]), case.rows[1])
            loss = tf.reduce_sum(values * case.rows[2]) / tf.reduce_sum(case.rows[2])
        gradient = tf.unstack(inner.gradient(loss, case.params))
    chunked = problem(case, CHUNKED)
    expected = chunked.cost_per_loss * np.stack([outer.gradient(g, case.params).numpy() for g in gradient])
    matrix = matrix_of(chunked.second_order(case.params))
    np.testing.assert_allclose(matrix, expected, rtol=1e-11, atol=1e-13)


def test_equal_weights_need_not_be_written_out(case):
    ones = replace(case.split, weights=np.ones(ROWS))
    none = replace(case.split, weights=None)
    assert problem(case, WHOLE, none).loss(case.params) == problem(case, WHOLE, ones).loss(case.params)


def test_the_last_loss_is_remembered(case):
    calls = []

    class Counting:
        graph, loss = case.kernels.graph, case.kernels.loss

        def value(self, *rows):
            calls.append(rows)
            return tf.constant(float(len(calls)), tf.float64)

    batch = split_batch(case.split, "float64", WHOLE)
    counted = Problem(Counting(), batch, HostAlgebra("float64"))
    other = tf.identity(case.params)
    first = counted.loss(case.params)
    assert counted.loss(case.params) == first
    assert counted.loss(other) == 2 * first
    assert len(calls) == 2
    trial = Trial(tf.identity(other), 0.125, StepScalars(True, 1.0, 1.0, 1.0))
    assert counted.accept(trial) is trial.params
    assert counted.loss(trial.params) == 0.125
    assert len(calls) == 2


def test_a_step_that_is_not_valid_has_no_loss():
    assert not Trial(None, 1.0, INVALID).valid
    assert not Trial(None, float("inf"), StepScalars(True, 1.0, 1.0, 1.0)).valid
    assert Trial(None, 1.0, StepScalars(True, 1.0, 1.0, 1.0)).valid


def test_threads_do_not_change_the_bits(case):
    chunked = problem(case, 1)
    first = chunked.linearize(case.params)
    loss = chunked._loss(case.params)
    for _ in range(5):
        again = chunked.linearize(case.params)
        np.testing.assert_array_equal(matrix_of(again), matrix_of(first))
        np.testing.assert_array_equal(again.gradient, first.gradient)
        assert chunked._loss(case.params) == loss


def test_the_loss_of_zero_outputs(case):
    zeros, (_, targets, weights) = tf.zeros((ROWS, 2), tf.float64), case.rows
    expected = np.average(case.loss.values(zeros, targets).numpy(), weights=weights.numpy())
    for chunk in (WHOLE, CHUNKED):
        assert problem(case, chunk).zero_loss() == pytest.approx(expected, rel=1e-14)


def test_rows_without_weight_have_nothing_to_lose(case):
    empty = problem(case, WHOLE, replace(case.split, weights=np.zeros(ROWS)))
    assert empty.loss(case.params) == 0
    assert empty.linearize(case.params).gradient_norm == 0


def test_the_bend_is_that_of_second_differences(case):
    """J^T F r_vv; F and r_vv are the loss's own (tests/losses), J and z_vv central differences in NumPy."""
    inputs, targets, weights = case.rows
    direction = np.random.default_rng(6).normal(size=case.network.size)
    params = case.params.numpy()

    def outputs(point):
        return case.network.outputs(tf.constant(point), inputs).numpy()

    step = 1e-4
    behind, here, ahead = (outputs(params + t * direction) for t in (-step, 0, step))
    first, second = (ahead - behind) / (2 * step), (ahead - 2 * here + behind) / step**2
    basis = np.eye(case.network.size) * 1e-6
    jacobian = np.stack([(outputs(params + e) - outputs(params - e)) / 2e-6 for e in basis], axis=2)
    z = tf.constant(here)
    factor = np.stack([column.numpy() for column in case.loss.columns(z, targets, None)], axis=2)
    bent = case.loss.bent(z, targets, None, tf.constant(first), tf.constant(second)).numpy()
    expected = np.einsum("r,ron,roq,rq->n", weights.numpy(), jacobian, factor, bent)
    for chunk in (WHOLE, CHUNKED):
        whole = problem(case, chunk)
        bend = whole.form.bend(whole.chunks, case.params, tf.constant(direction))
        np.testing.assert_allclose(bend, expected, rtol=1e-5, atol=1e-6)
