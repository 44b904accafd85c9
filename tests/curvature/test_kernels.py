"""The compiled functions of models of every kind: as without XLA, and against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_models import FLOAT, GENERIC, WHOLE, dense, randomized

from lmrun.curvature.batch import for_kernels, make_rows
from lmrun.curvature.compiled import Compiled
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.products import MatrixFree
from lmrun.datasets.base import Split
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.elementwise import MeanSquaredError

ROWS = 4
IMAGES = [
    keras.layers.Conv2D(2, 2, **FLOAT),
    keras.layers.BatchNormalization(**FLOAT),
    keras.layers.MaxPooling2D(2, padding="same", **FLOAT),
    keras.layers.SeparableConv2D(2, 2, activation="tanh", **FLOAT),
    keras.layers.AveragePooling2D((1, 2), padding="same", **FLOAT),
    keras.layers.Flatten(**FLOAT),
]


def images():
    """Layers of images, and a model behind them that is called twice."""
    inputs, width = keras.Input((6, 5, 2), **FLOAT), keras.Input((3,), **FLOAT)
    inner = keras.Model(width, [dense(1)(width), dense(3)(width)])
    x = inputs
    for layer in IMAGES:
        x = layer(x)
    first, hidden = inner(dense(3)(x))
    return keras.Model(inputs, keras.layers.Concatenate(**FLOAT)([first, inner(hidden)[0]]))


MODELS = {
    "images": images,
    "loop": lambda: keras.Sequential(
        [keras.Input((3, 2), **FLOAT), keras.layers.SimpleRNN(1, **FLOAT), GENERIC["rational"][1]()]
    ),
    "whole": WHOLE["tied weights"],
}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """Kernels, a direction, the parameters and rows."""
    rng = np.random.default_rng(2)
    network = randomized(MODELS[request.param]())
    kernels = Kernels(network, MeanSquaredError())
    inputs = rng.normal(size=(ROWS, *network.model.inputs[0].shape[1:]))
    split = Split(inputs, rng.normal(size=(ROWS, kernels.graph.width)), rng.uniform(size=ROWS))
    direction = tf.constant(rng.normal(size=network.size))
    return kernels, direction, tf.constant(network.params()), for_kernels(make_rows(split, "float64"))


def assert_same(one, other):
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


def test_outputs(case):
    kernels, _, params, rows = case
    assert_same(kernels.outputs(params, rows.inputs), kernels.plain_outputs(params, rows.inputs))


def test_jacobians(case):
    kernels, _, params, rows = case
    compiled = kernels.jacobian_and_residual(params, *rows)
    plain = kernels.plain_jacobian_and_residual(params, *rows)
    assert_same(compiled.rows, plain.rows)


def test_gradients_and_hessians(case):
    kernels, direction, params, rows = case
    gradient, hessian = kernels.gradient_and_hessian(params, *rows)
    value, expected = kernels.value_and_gradient(params, *rows)
    assert_same(value, kernels.value(params, *rows))
    assert_same(gradient, expected)
    behind, ahead = (kernels.value_and_gradient(params + t * direction, *rows)[1] for t in (-1e-5, 1e-5))
    differences = (ahead - behind) / 2e-5
    scale = np.abs(differences).max()
    np.testing.assert_allclose(hessian.numpy() @ direction.numpy(), differences, rtol=1e-6, atol=1e-7 * scale)


def test_bends(case):
    kernels, direction, params, rows = case
    assert_same(
        kernels.bend(params, direction, *rows),
        kernels.plain_bend(params, direction, *rows),
    )


def test_products(case):
    """With the forward pass and without; the sum over two equal chunks, in one loop, is that of one twice."""
    kernels, direction, params, rows = case
    products = MatrixFree(kernels, HostAlgebra("float64"))
    table = kernels.jacobian_and_residual(params, *rows).rows.numpy()[:-1]
    expected = table @ (table.T @ direction.numpy())
    assert_same(products.product(params, direction, *rows), expected)
    anchor = products.anchor(params, *rows)
    assert_same(anchor.gradient, kernels.value_and_gradient(params, *rows)[1] * 0.5 * kernels.graph.width)
    assert_same(anchor.diagonal, np.sum(table * table, axis=1))
    known = [*rows, *anchor.known]
    assert_same(products.product(params, direction, *known), expected)
    pair = [tf.stack([part, part]) for part in known]
    assert_same(Compiled(products.plain_product_of_all)(direction, params, *pair), 2 * expected)
