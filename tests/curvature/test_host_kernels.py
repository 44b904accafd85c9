"""The kernels in NumPy against those of TensorFlow, evaluated operation by operation."""

from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import keras
import numpy as np
import pytest
import tensorflow as tf
from host_cases import assert_agree, assert_same, case_of
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_models import randomized

from lmrun.curvature.batch import make_batch
from lmrun.curvature.host import kernels as module
from lmrun.curvature.host.activations import ACTIVATIONS
from lmrun.curvature.host.kernels import host_kernels
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.projection import linear_call
from lmrun.datasets.base import Split
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.elementwise import MeanAbsoluteError, MeanSquaredError

ROWS = 7


def network_of(*layers, inputs=2, dtype="float64"):
    """A network of (units, activation, bias)."""
    stack = [
        keras.layers.Dense(units, activation=activation, use_bias=bias, dtype=dtype)
        for units, activation, bias in layers
    ]
    return randomized(keras.Sequential([keras.Input((inputs,), dtype=dtype), *stack]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, dtype):
    layers = [(3, name, True), (4, name, True), (2, name, True)]
    assert_agree(case_of(network_of(*layers, dtype=dtype), dtype), dtype)


LAYERS = st.tuples(st.integers(1, 4), st.sampled_from(sorted(ACTIVATIONS)), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(LAYERS, min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 5))
def test_every_chain(layers, inputs, rows):
    assert_agree(case_of(network_of(*layers, inputs=inputs), rows=rows))


def test_activations_as_layers():
    dense = keras.layers.Dense
    layers = [dense(3), keras.layers.Activation("tanh"), dense(1)]
    for layer in layers:
        layer.dtype_policy = keras.DTypePolicy("float64")
    assert_agree(case_of(randomized(keras.Sequential([keras.Input((2,), dtype="float64"), *layers]))))


@pytest.mark.parametrize("size", [1, 200, 10**6])
def test_pieces_add_up(size, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", (size, size))
    kernels, reference, params, _, rows = case_of(network_of((3, "tanh", True), (2, "linear", True)))
    table = np.asarray(reference.plain_jacobian_and_residual(params, *rows).rows)
    products = [piece.rows @ piece.rows.T for piece in kernels.tables(params, *rows)]
    assert len(products) == {1: 2 * ROWS, 200: 7, 10**6: 1}[size]
    assert_same(reduce(np.add, products), table @ table.T)
    values = [piece.value for piece in kernels.tables(params, *rows)]
    assert_same(sum(values), reference.plain_value(params, *rows))


@pytest.mark.parametrize("bias", [True, False])
def test_normal_equations(bias):
    kernels, reference, params, _, rows = case_of(network_of((3, "tanh", True), (2, "linear", bias)))
    one, other = (each.normal_equations(linear_call(each.graph)) for each in (kernels, reference))
    assert_same(one(params, *rows), other(params, *rows))


def test_threads_do_not_share_values():
    kernels, _, params, direction, rows = case_of(
        network_of((9, "tanh", True), (1, "linear", True)), rows=500
    )
    points = [params + 0.01 * number for number in range(40)]
    expected = [kernels.bend(point, direction, *rows) for point in points]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda point: kernels.bend(point, direction, *rows), points))
    np.testing.assert_array_equal(found, expected)


def test_results_outlive_the_next_call():
    kernels, _, params, direction, rows = case_of(network_of((3, "tanh", True), (1, "linear", True)))
    calls = [
        lambda point: kernels.outputs(point, rows.inputs),
        lambda point: kernels.jacobian_and_residual(point, *rows).rows,
        lambda point: kernels.value_and_gradient(point, *rows)[1],
        lambda point: kernels.bend(point, direction, *rows),
        lambda point: kernels.bent_residual(point, direction, *rows),
    ]
    for call in calls:
        call(params)
        first = call(params)
        before = first.copy()
        call(2 * params)
        np.testing.assert_array_equal(first, before)


@pytest.mark.filterwarnings("error")
def test_infinite_parameters_are_no_warning():
    kernels, _, params, direction, rows = case_of(network_of((3, "exponential", True), (1, "linear", True)))
    far = tf.fill(params.shape, tf.constant(1e300, tf.float64))
    assert not np.isfinite(kernels.value(far, *rows))
    assert not np.all(np.isfinite(kernels.bend(far, direction, *rows)))
    assert not all(np.all(np.isfinite(piece.rows)) for piece in kernels.tables(far, *rows))


def test_drawn_rows_are_those_of_the_device():
    rng = np.random.default_rng(1)
    split = Split(rng.normal(size=(9, 2)), rng.normal(size=(9, 1)), rng.uniform(size=9))
    network = network_of((1, "linear", True))
    places = np.array([7, 0, 3, 3, 8])
    batches = [
        make_batch(kernels.hold(split, "float64"), places, 3, 1.5, kernels.draw)
        for kernels in (Kernels(network, MeanSquaredError()), host_kernels(network, MeanSquaredError()))
    ]
    assert batches[0].weight == pytest.approx(batches[1].weight, rel=1e-15)
    for one, other in zip(batches[0].chunks, batches[1].chunks, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change",
    [
        lambda: (network_of((2, "gelu", True), (1, "linear", True)), MeanSquaredError()),
        lambda: (network_of((2, "tanh", True), (1, "linear", True)), MeanAbsoluteError()),
        lambda: (randomized(_branches()), MeanSquaredError()),
    ],
)
def test_other_networks_and_losses_are_compiled(change):
    assert host_kernels(*change()) is None


def _branches():
    inputs = keras.Input((2,), dtype="float64")
    hidden = keras.layers.Dense(2, dtype="float64")(inputs)
    outputs = keras.layers.Concatenate(dtype="float64")([inputs, hidden])
    return keras.Model(inputs, outputs)


def test_the_algebra_adds_and_joins():
    algebra = HostAlgebra("float64")
    params = tf.constant([1.0, 2, 3, 4, 5], tf.float64)
    columns = [np.array([10.0, 20]), np.array([100.0, 200])]
    np.testing.assert_array_equal(algebra.added(params, 1, columns), [1, 12, 103, 24, 205])
    np.testing.assert_array_equal(params, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(algebra.joined([tf.constant([1.0]), np.array([2.0])]), [1, 2])
