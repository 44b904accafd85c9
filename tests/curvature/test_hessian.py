"""The Hessian by units and by rows, against automatic differentiation of Keras' own forward pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_models import FLOAT, randomized

from lmrun.curvature import hessian
from lmrun.curvature.batch import Rows
from lmrun.curvature.graph import Graph
from lmrun.losses.crossentropy import CategoricalCrossentropy
from lmrun.losses.elementwise import MeanSquaredError

ROWS = 5


def dense(units, activation="tanh", **settings):
    return keras.layers.Dense(units, activation=activation, **settings, **FLOAT)


def chain(shape, *layers):
    return keras.Sequential([keras.Input(shape, **FLOAT), *layers])


def branches():
    """The later layer of the model comes first among its variables, and a layer has no bias."""
    inputs = keras.Input((2,), **FLOAT)
    one, other = dense(3, use_bias=False)(inputs), dense(3, "softplus")(inputs)
    joined = keras.layers.Multiply(**FLOAT)([one, other])
    added = keras.layers.Add(**FLOAT)([joined, dense(3, "sigmoid")(other)])
    return keras.Model(inputs, dense(2, None)(added))


def twice():
    inputs, shared = keras.Input((3,), **FLOAT), dense(3)
    return keras.Model(inputs, dense(2, None)(shared(shared(inputs))))


UNITS = {
    "mlp": lambda: chain((2,), dense(3), dense(2, "sigmoid"), dense(2, None)),
    "one layer": lambda: chain((2,), dense(2, None)),
    "softmax inside": lambda: chain((2,), dense(3, "softmax"), dense(2, None, use_bias=False)),
    "images": lambda: chain((2, 3), keras.layers.Flatten(**FLOAT), dense(2), dense(2, None)),
    "frozen": lambda: chain((2,), dense(3, trainable=False), dense(3), dense(2, None)),
    "branches": branches,
}
ROW_BY_ROW = {
    "shared": twice,
    "line": lambda: chain((3, 2), dense(2), keras.layers.Flatten(**FLOAT), dense(2, None)),
    "convolution": lambda: chain(
        (4, 2),
        keras.layers.Conv1D(2, 2, activation="tanh", **FLOAT),
        keras.layers.Flatten(**FLOAT),
        dense(2, None),
    ),
    "prelu": lambda: chain((2,), dense(3, None), keras.layers.PReLU(**FLOAT), dense(2, None)),
}
LOSSES = {"mse": MeanSquaredError(), "categorical": CategoricalCrossentropy()}


def case(model, loss):
    rng, network = np.random.default_rng(3), randomized(model)
    inputs = rng.normal(size=(ROWS, *model.inputs[0].shape[1:]))
    targets = rng.normal(size=(ROWS, 2)) if loss == "mse" else np.eye(2)[rng.integers(0, 2, ROWS)]
    weights = np.array([1.7, 0.0, 0.6, 1.1, 0.2])
    return network, tf.constant(inputs), tf.constant(targets), tf.constant(weights)


def expected(network, loss, inputs, targets, weights):
    params = tf.constant(network.params())
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(params)
        with tf.GradientTape() as inner:
            inner.watch(params)
            total = tf.reduce_sum(weights * loss.values(network.outputs(params, inputs), targets))
        gradient = inner.gradient(total, params)
    matrix = outer.jacobian(gradient, params, experimental_use_pfor=False)
    return gradient.numpy(), matrix.numpy()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", [*UNITS, *ROW_BY_ROW])
def test_gradient_and_hessian(name, loss, monkeypatch):
    taken = []
    for path in ("by_units", "by_rows"):
        function = getattr(hessian, path)
        monkeypatch.setattr(hessian, path, lambda *args, f=function, p=path: taken.append(p) or f(*args))
    network, inputs, targets, weights = case({**UNITS, **ROW_BY_ROW}[name](), loss)
    axes = [*range(1, len(inputs.shape))]
    last = tf.transpose(inputs, [axes[-1], *axes[:-1], 0])
    params = tf.constant(network.params())
    found = hessian.gradient_and_hessian(Graph(network), LOSSES[loss], params, Rows(last, targets, weights))
    assert taken == ["by_units" if name in UNITS else "by_rows"]
    for actual, wanted in zip(found, expected(network, LOSSES[loss], inputs, targets, weights), strict=True):
        np.testing.assert_allclose(actual.numpy(), wanted, rtol=1e-10, atol=1e-12)
