"""Derivatives along a direction of every layer, against forward mode through Keras' own forward pass."""

import numpy as np
import pytest
import tensorflow as tf
from keras_models import FUNCTIONAL, GENERIC, LAYERS, WHOLE, between_layers, randomized

from lmrun.curvature.graph import Graph
from lmrun.curvature.layers.base import samples_last
from lmrun.curvature.taylor import outputs_along

ROWS = 2


def one_per_kind():
    """The name of one model per layer type and activation: other arguments change no derivative's form."""
    kinds = {}
    for name, (_, make) in (LAYERS | GENERIC).items():
        layer = make()
        activation = getattr(getattr(layer, "activation", None), "__name__", None)
        kinds.setdefault((type(layer), layer.trainable, activation), name)
    return {
        name: lambda entry=(LAYERS | GENERIC)[name]: between_layers(entry[0], entry[1]())
        for name in kinds.values()
    }


MODELS = {**one_per_kind(), **FUNCTIONAL, **WHOLE}


def assert_derivatives(network):
    """Compare with forward mode, and its central differences, through Keras' own forward pass.

    TensorFlow's forward accumulator shares nothing with the Taylor arithmetic.
    """
    rng, graph = np.random.default_rng(7), Graph(network)
    inputs = tf.constant(rng.normal(size=(ROWS, *network.model.inputs[0].shape[1:])))
    params, direction = tf.constant(network.params()), tf.constant(rng.normal(size=network.size))

    def along(t):
        point = params + t * direction
        with tf.autodiff.ForwardAccumulator(point, direction) as forward:
            value = network.outputs(point, inputs)
        return value, forward.jvp(value, unconnected_gradients="zero")

    value, first = along(0)
    second = (along(1e-5)[1] - along(-1e-5)[1]) / 2e-5
    jet = outputs_along(graph, params, direction, samples_last(inputs))
    for mine, reference, accuracy in zip(jet, (value, first, second), (1e-12, 1e-10, 1e-6), strict=True):
        scale = max(1.0, np.abs(reference).max())
        np.testing.assert_allclose(mine.numpy().T, reference, rtol=accuracy, atol=accuracy * scale)


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_and_model(name):
    assert_derivatives(randomized(MODELS[name]()))


@pytest.mark.parametrize("expression", ["a*exp(-b*x) + c*y", "(a - x)**2 + b*(y - x**2)**2", "a + b"])
def test_formulas(expression, make_formula):
    names = {name: 0.5 for name in "abc" if name in expression.replace("exp", "")}
    assert_derivatives(make_formula(expression, **names))


def test_the_second_derivative_by_hand(make_formula):
    """d2/dt2 of a exp(-b x) is exp(-b x) (a b'^2 x^2 - 2 a' b' x)."""
    network, x = make_formula("a*exp(-b*x)", columns=["x"], a=1.5, b=0.3), np.linspace(-1, 2, 5)
    jet = outputs_along(
        Graph(network),
        tf.constant(network.params()),
        tf.constant([0.7, -0.4], tf.float64),
        tf.constant(x[None]),
    )
    expected = np.exp(-0.3 * x) * (1.5 * 0.4**2 * x**2 + 2 * 0.7 * 0.4 * x)
    np.testing.assert_allclose(jet.second[0], expected, rtol=1e-13)


def test_an_mlp_by_hand(make_mlp, rng):
    """The chain rule of v . tanh(W x + b) + c, written out."""
    network, x = make_mlp(2, [3]), rng.normal(size=(5, 2))
    direction = rng.normal(size=network.size)

    def parts(vector):
        return vector[:6].reshape(2, 3), vector[6:9], vector[9:12]

    (W, b, v), (dW, db, dv) = parts(network.params()), parts(direction)
    h, slope = np.tanh(x @ W + b), x @ dW + db
    dh = (1 - h**2) * slope
    second = -2 * h * dh * slope @ v + 2 * dh @ dv
    jet = outputs_along(
        Graph(network), tf.constant(network.params()), tf.constant(direction), tf.constant(x.T)
    )
    np.testing.assert_allclose(jet.second[0], second, rtol=1e-12, atol=1e-14)
