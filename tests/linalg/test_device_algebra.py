"""The device's algebra, on the CPU, against the host's."""

import numpy as np
import pytest
import tensorflow as tf

from lmrun.linalg import device
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra, symmetrized

HOST, DEVICE = HostAlgebra("float64"), DeviceAlgebra("float64")
SIZE = 4
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def spd(rng):
    J = rng.normal(size=(9, SIZE))
    return J.T @ J


def assert_same(host, on_device):
    (moved, scalars), (other, others) = host, on_device
    assert scalars.valid == others.valid
    np.testing.assert_allclose(other.numpy(), moved.numpy(), **CLOSE)
    names = ("predicted_reduction", "step_norm", "params_norm")
    expected = [getattr(scalars, name) for name in names]
    np.testing.assert_allclose([getattr(others, name) for name in names], expected, **CLOSE)


def test_rows_add_up_as_on_the_host(rng):
    chunks = [(tf.constant(rng.normal(size=(SIZE, 5))), tf.constant(rng.normal(size=5))) for _ in range(3)]
    host, on_device = HOST.zeros(SIZE), DEVICE.zeros(SIZE)
    for J, r in chunks:
        host, on_device = HOST.add_rows(*host, J, r), DEVICE.add_rows(*on_device, J, r)
    np.testing.assert_allclose(on_device[0].numpy(), symmetrized(host[0]), **CLOSE)
    np.testing.assert_allclose(on_device[1].numpy(), host[1], **CLOSE)


def test_small_methods_are_those_of_the_host(rng):
    A, v = spd(rng), rng.normal(size=SIZE)
    np.testing.assert_array_equal(DEVICE.adopt(tf.constant(A)).numpy(), HOST.adopt(tf.constant(A)))
    np.testing.assert_array_equal(DEVICE.diagonal(tf.constant(A)).numpy(), HOST.diagonal(A))
    np.testing.assert_array_equal(DEVICE.ones_like(tf.constant(v)).numpy(), HOST.ones_like(v))
    np.testing.assert_array_equal(DEVICE.clip(tf.constant(v), -0.5, 0.5).numpy(), HOST.clip(v, -0.5, 0.5))
    assert DEVICE.largest(tf.constant(v)) == HOST.largest(v)
    assert np.isnan(DEVICE.largest(tf.constant([1.0, np.nan, 2.0], tf.float64)))


@pytest.mark.parametrize("damping", [0.0, 1e-3, 1e6])
def test_damped_steps_are_those_of_the_host(damping, rng):
    A, g, D = spd(rng), rng.normal(size=SIZE), rng.uniform(0.5, 2, SIZE)
    params = tf.constant(rng.normal(size=SIZE))
    host = HOST.damped_step(np.asfortranarray(A), g, damping, D, params)
    on_device = DEVICE.damped_step(tf.constant(A), tf.constant(g), damping, tf.constant(D), params)
    assert host[1].valid
    assert_same(host, on_device)


@pytest.mark.parametrize("size", [0.01, 100.0])
def test_bent_steps_are_those_of_the_host_and_of_the_formula(size, rng):
    """A small turn is taken by half; one that is too large leaves the step straight."""
    A, g, D, bend = spd(rng), rng.normal(size=SIZE), rng.uniform(0.5, 2, SIZE), size * rng.normal(size=SIZE)
    params = tf.constant(rng.normal(size=SIZE))
    host = HOST.damped_step(np.asfortranarray(A), g, 0.1, D, params, bend=lambda step: bend)
    on_device = DEVICE.damped_step(
        tf.constant(A), tf.constant(g), 0.1, tf.constant(D), params, bend=lambda step: tf.constant(bend)
    )
    assert_same(host, on_device)
    damped = A + 0.1 * np.diag(D)
    straight, turn = np.linalg.solve(damped, -g), np.linalg.solve(damped, -bend)
    bent = 2 * np.linalg.norm(turn) <= 0.75 * np.linalg.norm(straight)
    assert bent == (size < 1)
    expected = params.numpy() + straight + (0.5 * turn if bent else 0)
    np.testing.assert_allclose(host[0].numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_newton_steps_are_those_of_the_host(sign, rng):
    A, g = spd(rng), rng.normal(size=SIZE)
    A[0, 0] *= sign
    params = tf.constant(rng.normal(size=SIZE))
    host = HOST.newton_step(np.asfortranarray(A), g, params)
    on_device = DEVICE.newton_step(tf.constant(A), tf.constant(g), params)
    assert host[1].valid
    assert_same(host, on_device)


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, -1, 1, 1]), np.zeros((4, 4)), np.ones((4, 4)), np.full((4, 4), np.nan)],
    ids=["indefinite", "zero", "rank 1", "nan"],
)
def test_what_cannot_be_factored_is_invalid_as_on_the_host(matrix):
    params, g = tf.constant([1.0, 2.0, 3.0, 4.0], tf.float64), np.ones(4)
    fortran = np.asfortranarray(matrix)
    host = HOST.damped_step(fortran, g, 0.0, g, params)
    on_device = DEVICE.damped_step(tf.constant(matrix), tf.constant(g), 0.0, tf.constant(g), params)
    assert not on_device[1].valid
    assert_same(host, on_device)
    on_device = DEVICE.newton_step(tf.constant(matrix), tf.constant(g), params)
    assert on_device[1].valid == (matrix[1, 1] == -1)
    assert_same(HOST.newton_step(fortran, g, params), on_device)


def test_a_gradient_that_is_not_finite_is_invalid():
    params, g = tf.ones(4, tf.float64), tf.constant([1.0, np.nan, 1, 1], tf.float64)
    identity = tf.eye(4, dtype=tf.float64)
    moved, scalars = DEVICE.damped_step(identity, g, 1.0, tf.ones(4, tf.float64), params)
    assert not scalars.valid
    np.testing.assert_array_equal(moved.numpy(), params.numpy())
    assert not DEVICE.newton_step(identity, g, params)[1].valid


def test_nothing_but_the_scalars_travels_to_the_host(rng):
    """Symbolic tensors have no values: a round trip inside would fail."""

    @tf.function
    def step(J, r, params):
        gram, gradient = DEVICE.add_rows(*DEVICE.zeros(SIZE), J, r)
        scaling = DEVICE.clip(DEVICE.diagonal(DEVICE.adopt(gram)), 1e-6, 1e32)
        ones = DEVICE.ones_like(gradient)
        factor, step, predicted = device._damped_step(gram, gradient, tf.constant(0.1, tf.float64), scaling)
        step = device._bent(factor, step, gradient)
        moved, packed = device._move(params, step, predicted)
        newton, _ = device._newton_step(gram, gradient, params)
        return moved, packed, newton, ones

    J, r = tf.constant(rng.normal(size=(SIZE, 5))), tf.constant(rng.normal(size=5))
    results = step(J, r, tf.zeros(SIZE, tf.float64))
    assert all(isinstance(result, tf.Tensor) for result in results)
    assert results[1].shape == (4,)
