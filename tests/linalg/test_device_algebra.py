"""The device's algebra, on the CPU, against the host's; and what travels between the two."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from lmrun.linalg.algebra import Damping
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra

HOST, DEVICE = HostAlgebra("float64"), DeviceAlgebra("float64")
FORMS = ("gram", "dual", "qr", "cg")
SHAPES = {"m > n": (14, 5), "m < n": (4, 7)}
"""As in `test_forms`: what XLA compiles, it compiles once for both."""
CLOSE = {"rtol": 1e-9, "atol": 1e-12}

each_form = pytest.mark.parametrize("form", FORMS)
each_shape = pytest.mark.parametrize("shape", SHAPES)


def square(params):
    return tf.reduce_sum(params * params)


def case(shape, seed=5):
    rng = np.random.default_rng(seed)
    m, n = SHAPES[shape]
    J, D = rng.normal(size=(m, n)), rng.uniform(0.1, 10, n)
    return J, rng.normal(size=m), D, rng.normal(size=m), tf.constant(rng.normal(size=n))


def assert_same(host, on_device):
    (moved, loss, scalars), (other, other_loss, others) = host, on_device
    assert scalars.valid == others.valid
    np.testing.assert_allclose(np.asarray(other), np.asarray(moved), **CLOSE)
    np.testing.assert_allclose(other_loss, loss, **CLOSE)
    for name in ("predicted_reduction", "step_norm", "params_norm", "damping", "scaled_step_norm"):
        np.testing.assert_allclose(getattr(others, name), getattr(scalars, name), err_msg=name, **CLOSE)


@pytest.mark.parametrize("radius", [None, 0.05])
@pytest.mark.parametrize("damping", [1e-3, 10.0])
@each_shape
@each_form
def test_damped_steps_are_those_of_the_host(form, shape, damping, radius, make_curvature):
    J, r, D, _, params = case(shape)
    results = []
    for place in ("host", "device"):
        made = make_curvature(place, form, J, r)
        results.append(
            made.algebra.damped_step(made.curvature, Damping(damping, made.take(D), radius), params, square)
        )
    assert results[0][2].valid
    assert_same(*results)
    if radius is not None:
        assert results[0][2].scaled_step_norm == pytest.approx(radius, rel=0.1)


@pytest.mark.parametrize("size", [0.01, 100.0])
@each_shape
@each_form
def test_bent_steps_are_those_of_the_host_and_of_the_formula(form, shape, size, make_curvature):
    """A small turn is taken by half; one that is too large leaves the step straight."""
    J, r, D, bent, params = case(shape)
    bent = size * bent
    results = []
    for place in ("host", "device"):
        made = make_curvature(place, form, J, r)

        def bend(step, made=made):
            assert isinstance(step, type(made.take(D)))
            return tf.constant(made.bent(J, bent))

        results.append(
            made.algebra.damped_step(made.curvature, Damping(0.1, made.take(D)), params, square, bend)
        )
    assert_same(*results)
    damped = J.T @ J + 0.1 * np.diag(D)
    straight, turn = np.linalg.solve(damped, -J.T @ r), np.linalg.solve(damped, -J.T @ bent)
    taken = 2 * np.linalg.norm(turn) <= 0.75 * np.linalg.norm(straight)
    assert taken == (size < 1)
    expected = params.numpy() + straight + (0.5 * turn if taken else 0)
    np.testing.assert_allclose(np.asarray(results[0][0]), expected, **CLOSE)


@pytest.mark.parametrize(
    ("form", "shape"), [("gram", "m > n"), ("qr", "m > n"), ("cg", "m > n"), ("dual", "m < n")]
)
def test_whole_steps_are_those_of_the_host(form, shape, make_curvature):
    J, r, _, _, params = case(shape)
    made = [make_curvature(place, form, J, r) for place in ("host", "device")]
    host, on_device = (each.algebra.newton_step(each.curvature, params, square) for each in made)
    assert host[2].valid
    assert_same(host, on_device)


@pytest.mark.parametrize("sign", [1, -1])
def test_newton_steps_are_those_of_the_host(sign):
    J, r, _, _, params = case("m > n")
    A, g = J.T @ J, tf.constant(J.T @ r)
    A[0, 0] *= sign
    host, on_device = (
        algebra.newton_step(algebra.matrix(tf.constant(A), g), params, square) for algebra in (HOST, DEVICE)
    )
    assert host[2].valid
    assert_same(host, on_device)


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, -1, 1, 1]), np.zeros((4, 4)), np.ones((4, 4)), np.full((4, 4), np.nan)],
    ids=["indefinite", "zero", "rank 1", "nan"],
)
def test_what_cannot_be_factored_is_invalid_as_on_the_host(matrix):
    params, g = tf.constant([1.0, 2.0, 3.0, 4.0], tf.float64), tf.ones(4, tf.float64)
    results = []
    for algebra in (HOST, DEVICE):
        curvature = algebra.matrix(tf.constant(matrix), g)
        damping = Damping(0.0, algebra.adopt(g))
        results.append(algebra.damped_step(curvature, damping, params, square))
        assert not results[-1][2].valid
        results.append(algebra.newton_step(curvature, params, square))
        assert results[-1][2].valid == (matrix[1, 1] == -1)
    assert_same(results[0], results[2])
    assert_same(results[1], results[3])


def test_a_gradient_that_is_not_finite_is_invalid():
    params, g = tf.ones(4, tf.float64), tf.constant([1.0, np.nan, 1, 1], tf.float64)
    curvature = DEVICE.matrix(tf.eye(4, dtype=tf.float64), g)
    moved, loss, scalars = DEVICE.damped_step(curvature, Damping(1.0, tf.ones(4, tf.float64)), params, square)
    assert not scalars.valid
    assert np.isnan(loss)
    np.testing.assert_array_equal(np.asarray(moved), params.numpy())
    assert not DEVICE.newton_step(curvature, params, square)[2].valid


def test_small_methods_are_those_of_the_host(rng):
    v, w = rng.normal(size=5), rng.normal(size=5)
    one, other = tf.constant(v), tf.constant(w)
    np.testing.assert_array_equal(DEVICE.adopt(one).numpy(), HOST.adopt(one))
    np.testing.assert_array_equal(DEVICE.ones_like(one).numpy(), HOST.ones_like(v))
    np.testing.assert_array_equal(DEVICE.clip(one, -0.5, 0.5).numpy(), HOST.clip(v, -0.5, 0.5))
    np.testing.assert_array_equal(DEVICE.maximum(one, other).numpy(), HOST.maximum(v, w))
    assert DEVICE.largest(one) == HOST.largest(v)
    assert np.isnan(DEVICE.largest(tf.constant([1.0, np.nan, 2.0], tf.float64)))


def test_round_trips_are_counted(round_trips):
    tensor = tf.constant([1.0, 2.0])
    tensor.numpy()
    np.asarray(tensor)
    float(tensor[0])
    bool(tensor[0])
    list(tensor)
    assert round_trips == Counter(["numpy", "asarray", "__float__", "__bool__", "__iter__"])


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("radius", [None, 0.05])
@each_form
def test_a_trial_travels_once(form, radius, accelerate, make_curvature, round_trips):
    J, r, D, bent, params = case("m > n")
    made = make_curvature("device", form, J, r)
    damping = Damping(0.1, made.take(D), radius)
    turned = made.take(made.bent(J, bent))
    round_trips.clear()
    made.algebra.damped_step(
        made.curvature, damping, params, square, (lambda step: turned) if accelerate else None
    )
    assert round_trips == Counter(numpy=1)


@pytest.mark.parametrize("form", ["gram", "qr", "cg"])
def test_a_whole_step_travels_once(form, make_curvature, round_trips):
    J, r, _, _, params = case("m > n")
    made = make_curvature("device", form, J, r)
    round_trips.clear()
    made.algebra.newton_step(made.curvature, params, square)
    assert round_trips == Counter(numpy=1)
