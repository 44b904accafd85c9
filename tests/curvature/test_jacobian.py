"""The Jacobian of every rule, network and loss against automatic and finite differences in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lmrun.curvature.jacobian import RULES, linearize
from lmrun.curvature.kernels import Kernels
from lmrun.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lmrun.losses.elementwise import Huber, MeanAbsoluteError, MeanSquaredError
from lmrun.models.formula import Formula
from lmrun.models.network import Network, sequential

ROWS = 5
LOSSES = {
    "mse": MeanSquaredError(),
    "mae": MeanAbsoluteError(),
    "huber": Huber(delta=0.4),
    "binary": BinaryCrossentropy(),
    "categorical": CategoricalCrossentropy(),
    "sparse": SparseCategoricalCrossentropy(),
}
DENSE = {
    "dense": lambda: keras.layers.Dense(3, dtype="float64"),
    "dense without bias": lambda: keras.layers.Dense(3, use_bias=False, dtype="float64"),
}
CONV = {
    "valid": {"filters": 3, "kernel_size": (3, 2)},
    "same": {"filters": 2, "kernel_size": (3, 2), "padding": "same"},
    "strides": {"filters": 2, "kernel_size": (2, 3), "strides": (2, 1)},
    "same strides": {"filters": 3, "kernel_size": (4, 3), "strides": (2, 2), "padding": "same"},
    "without bias": {"filters": 2, "kernel_size": (2, 2), "use_bias": False},
    "whole image": {"filters": 2, "kernel_size": (6, 5)},
}
CNNS = {
    "conv dense": [{"name": "conv", "filters": 2, "kernel_size": 3}, {"name": "dense", "units": 3}],
    "max pool": [
        {"name": "conv", "filters": 3, "kernel_size": 2},
        {"name": "pool", "kind": "max"},
        {"name": "conv", "filters": 2, "kernel_size": (2, 1)},
    ],
    "average pool": [
        {"name": "pool", "kind": "average", "size": 2, "strides": 1},
        {"name": "conv", "filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"},
    ],
}


def data(rng, shape, outputs, loss):
    """Inputs, targets that suit the loss, and weights of which one is zero."""
    inputs, weights = rng.normal(size=(ROWS, *shape)), rng.uniform(0.5, 2, ROWS)
    weights[1] = 0
    labels = rng.integers(0, outputs, ROWS)
    targets = {
        "binary_crossentropy": rng.integers(0, 2, (ROWS, outputs)).astype(float),
        "categorical_crossentropy": np.eye(outputs)[labels],
        "sparse_categorical_crossentropy": labels,
    }.get(loss.name, rng.normal(size=(ROWS, outputs)))
    return tuple(tf.constant(array) for array in (inputs, targets, weights))


def assert_linearized(network, loss, rows):
    """Compare residual and Jacobian with r and F^T dz/dtheta; the losses' own tests hold r and F."""
    inputs, targets, weights = rows
    params = tf.constant(network.params())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        outputs = network.outputs(params, inputs)
    derivative = tape.jacobian(
        outputs, params, unconnected_gradients="zero", experimental_use_pfor=False
    ).numpy()

    root = np.sqrt(weights.numpy())
    factor = loss.factor(outputs, targets).numpy() * root[:, None, None]
    expected = np.einsum("roq,ron->qrn", factor, derivative).reshape(-1, network.size)
    residual, transposed = linearize(network, loss, params, *rows)
    jacobian = transposed.numpy().T
    np.testing.assert_allclose(jacobian, expected, rtol=1e-10, atol=1e-10)
    # Central differences along three directions, which share nothing with automatic differentiation.
    for direction in np.random.default_rng(8).normal(size=(3, network.size)):
        ahead, behind = (network.outputs(params + step * direction, inputs).numpy() for step in (1e-6, -1e-6))
        differences = np.einsum("roq,ro->qr", factor, (ahead - behind) / 2e-6).ravel()
        accuracy = 1e-6 * max(1, np.abs(factor).max())
        np.testing.assert_allclose(jacobian @ direction, differences, rtol=1e-6, atol=accuracy)
    weighted = (loss.residual(outputs, targets).numpy() * root[:, None]).T.ravel()
    np.testing.assert_allclose(residual.numpy(), weighted, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(jacobian[1::ROWS], 0)


def test_the_rules_are_tested():
    assert set(RULES) == {keras.layers.Dense, keras.layers.Conv2D, Formula}


@pytest.mark.parametrize("name", DENSE)
def test_dense_layers(name, rng):
    network = Network(sequential([DENSE[name]()], (4,), "float64"))
    loss = LOSSES["mse"]
    assert_linearized(network, loss, data(rng, (4,), 3, loss))


@pytest.mark.parametrize("name", CONV)
def test_convolutions(name, rng):
    layers = [keras.layers.Conv2D(**CONV[name], dtype="float64"), keras.layers.Flatten(dtype="float64")]
    model = sequential(
        [*layers, keras.layers.Dense(2, use_bias=False, dtype="float64")], (6, 5, 2), "float64"
    )
    loss = LOSSES["mse"]
    assert_linearized(Network(model), loss, data(rng, (6, 5, 2), 2, loss))


@pytest.mark.parametrize(
    ("expression", "parameters"),
    [
        ("(a - x)**2 + b*(y - x**2)**2", {"a": 5, "b": 2}),
        ("a*exp(-b*x) + c", {"a": 1.5, "b": 0.3, "c": -1}),
        ("a + b*x + 0*unused", {"a": 1, "b": 2, "unused": 3}),
        ("a + b", {"a": 1, "b": 2}),
        ("x * y", {"a": 1}),
    ],
)
def test_formulas(expression, parameters, make_formula, rng):
    loss = LOSSES["mse"]
    network = make_formula(expression, **parameters)
    assert_linearized(network, loss, data(rng, (2,), 1, loss))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_several_outputs(name, make_mlp, rng):
    loss = LOSSES[name]
    assert_linearized(make_mlp(2, [4, 3], 3), loss, data(rng, (2,), 3, loss))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "gelu", "linear"])
def test_activations(activation, make_mlp, rng):
    network, loss = make_mlp(2, [3], activation=activation, bias=False), LOSSES["mse"]
    assert_linearized(network, loss, data(rng, (2,), 1, loss))


@pytest.mark.parametrize("name", CNNS)
def test_convolutional_networks(name, make_cnn, rng):
    loss = LOSSES["sparse"]
    assert_linearized(make_cnn(CNNS[name], 2), loss, data(rng, (6, 5, 2), 2, loss))


@settings(max_examples=12)
@given(
    hidden=st.lists(st.integers(1, 4), max_size=3),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()),
    loss=st.sampled_from(["mse", "huber", "binary"]),
    seed=st.integers(0, 1000),
)
def test_any_mlp(hidden, shape, loss, seed, make_mlp):
    inputs, outputs, bias = shape
    network = make_mlp(inputs, hidden, outputs, bias=bias, seed=seed)
    rows = data(np.random.default_rng(seed), (inputs,), outputs, LOSSES[loss])
    assert_linearized(network, LOSSES[loss], rows)


@pytest.mark.parametrize("name", ["max pool", "average pool"])
def test_compiled_is_the_same(name, make_cnn, rng):
    network, loss = make_cnn(CNNS[name], 2), LOSSES["categorical"]
    rows, params = data(rng, (6, 5, 2), 2, loss), tf.constant(network.params())
    expected = linearize(network, loss, params, *rows)
    compiled = Kernels(network, loss).residual_and_jacobian(params, *rows)
    for one, other in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-13)
