"""Losses by the names of another package: values, training, and back from a saved model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.api.keras_residuals import reduced
from lmrun.keras import (
    CategoricalMeanSquaredError,
    LMModel,
    ReducedOutputsMeanSquaredError,
    SquaredCategoricalCrossentropy,
)

X = np.linspace(-1, 1, 24)[:, None]
CLASSES = np.eye(3)[np.digitize(X[:, 0], [-0.3, 0.4])]
CURVES = np.concatenate([np.sin(2 * X), X**2, X], axis=1)


def small(activation=None):
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(4, "tanh", dtype="float64"),
        keras.layers.Dense(3, activation, dtype="float64"),
    ]
    return keras.Sequential([keras.Input((1,), dtype="float64"), *layers])


def softmax(values):
    shares = np.exp(values)
    return shares / shares.sum(axis=1, keepdims=True)


CASES = {
    "reduced outputs": (
        ReducedOutputsMeanSquaredError(), None, CURVES, lambda t, y: np.mean((y - t) ** 2),
    ),
    "squared crossentropy": (
        SquaredCategoricalCrossentropy(from_logits=True), None, CLASSES,
        lambda t, y: np.mean(np.sum(t * np.log(softmax(y)), axis=1) ** 2),
    ),
    "squared crossentropy of probabilities": (
        SquaredCategoricalCrossentropy(), "softmax", CLASSES,
        lambda t, y: np.mean(np.sum(t * np.log(y), axis=1) ** 2),
    ),
    "categorical": (
        CategoricalMeanSquaredError(from_logits=True), None, CLASSES,
        lambda t, y: np.mean((1 - np.sum(t * softmax(y), axis=1)) ** 2),
    ),
    "categorical of probabilities": (
        CategoricalMeanSquaredError(), "softmax", CLASSES,
        lambda t, y: np.mean((1 - np.sum(t * y, axis=1)) ** 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_back_from_a_config(name):
    loss, activation, targets, value = CASES[name]
    outputs = small(activation)(X)
    assert float(loss(targets, outputs)) == pytest.approx(value(targets, outputs.numpy()), rel=1e-6)
    again = type(loss).from_config(loss.get_config())
    assert float(again(targets, outputs)) == pytest.approx(float(loss(targets, outputs)), rel=1e-12)


@pytest.mark.parametrize("name", ["reduced outputs", "squared crossentropy of probabilities", "categorical"])
def test_trained_and_evaluated(name):
    loss, activation, targets, value = CASES[name]
    inner = small(activation)
    first = value(targets, inner.predict(X, verbose=0))
    model = LMModel(inner)
    model.compile(loss=loss)
    model.fit(X, targets, epochs=8, verbose=0)
    last = value(targets, inner.predict(X, verbose=0))
    assert last < 0.5 * first
    assert float(model.evaluate(X, targets, verbose=0)) == pytest.approx(last, rel=1e-6)


def test_a_row_that_is_met_exactly_moves_nothing():
    outputs = tf.Variable([[1.0, 2.0], [3.0, 4.0]], dtype=tf.float64)
    with tf.GradientTape() as tape:
        residual = reduced(tf.constant([[1.0, 2.0], [3.0, 5.0]], tf.float64), outputs)
    np.testing.assert_allclose(residual, [[0], [0.5**0.5]])
    np.testing.assert_allclose(tape.gradient(residual, outputs), [[0, 0], [0, -(0.5**0.5)]], atol=1e-15)
