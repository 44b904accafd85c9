"""Losses as programs give them: which loss of lmrun each is, and that probabilities train as logits do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import lmrun
from lmrun.api.losses import choose
from lmrun.losses.second_derivative import factor_of, second_derivative

KNOWN = {
    "name": ("mse", {"name": "mse"}),
    "their name": ("mean_absolute_error", {"name": "mae"}),
    "camel": ("MeanSquaredError", {"name": "mse"}),
    "l1": ("l1", {"name": "mae"}),
    "ours": ("soft_l1", {"name": "soft_l1"}),
    "class": (keras.losses.MeanSquaredError, {"name": "mse"}),
    "object": (keras.losses.Huber(delta=0.5), {"name": "huber", "delta": 0.5}),
    "function": (keras.losses.mean_squared_error, {"name": "mse"}),
    "mapping": ({"name": "huber", "delta": 2.0}, {"name": "huber", "delta": 2.0}),
    "logits": (keras.losses.BinaryCrossentropy(from_logits=True), {"name": "binary_crossentropy"}),
    "nothing": (None, {"name": "mse"}),
}


@pytest.mark.parametrize(("loss", "section"), KNOWN.values(), ids=KNOWN)
def test_losses_that_lmrun_has(loss, section):
    assert choose(loss, (None, None)).section == section


def test_a_smoothed_loss_is_keras_own():
    smoothed = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    assert choose(smoothed, ((1,), (1,))).section["name"] == "custom"


@pytest.mark.parametrize("form", ["sparse_categorical", "categorical", "binary"])
def test_probabilities_are_trained_as_logits_are(small, rng, form):
    x = rng.normal(size=(50, 2))
    labels = (x[:, 0] + 0.5 * rng.normal(size=50) > 0).astype(int)
    y = keras.utils.to_categorical(labels, 3) if form == "categorical" else labels
    outputs, last = (1, "sigmoid") if form == "binary" else (3, "softmax")
    logits = lmrun.fit(small(inputs=2, outputs=outputs), x, y, loss=f"{form}_crossentropy", max_steps=5)
    ends = lmrun.fit(
        small(inputs=2, outputs=outputs, last=last), x, y, loss=f"{form}_crossentropy", max_steps=5
    )
    np.testing.assert_allclose(ends.history["loss"], logits.history["loss"], rtol=1e-6)
    assert ends.accuracy is None or ends.accuracy == logits.accuracy
    reach = tf.nn.softmax(logits.predict(x)) if outputs == 3 else tf.sigmoid(logits.predict(x))
    np.testing.assert_allclose(ends.predict(x), reach, atol=1e-5)


@pytest.mark.parametrize("name", ["log_cosh", "poisson", "mean_squared_logarithmic_error"])
def test_any_loss_of_keras_trains(small, wave, name):
    model = small(last="softplus")
    y = wave.y + 1.5
    result = lmrun.fit(model, wave.x, y, loss=name, max_steps=15)
    value = np.mean(keras.losses.get(name)(y, np.asarray(model(wave.x))))
    assert result.loss == pytest.approx(value, rel=1e-6)
    assert result.loss < result.initial_loss - 0.01


def crossentropy(outputs, targets):
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_the_factor_of_a_convex_loss_is_that_of_its_second_derivative(logits):
    z = tf.constant([logits], tf.float64)
    t = tf.constant([[0.0, 1.0, 0.0]], tf.float64)
    p = np.asarray(tf.nn.softmax(z))[0]
    factor = np.asarray(factor_of(crossentropy)(z, t))[0]
    expected = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(second_derivative(crossentropy, z, t)[0], expected, atol=1e-12)
    np.testing.assert_allclose(factor @ factor.T, expected, atol=1e-10)


def test_what_bends_down_has_no_curvature():
    def saddle(outputs, targets):
        return outputs[:, 0] ** 2 - outputs[:, 1] ** 2

    z = tf.constant([[0.3, 0.4]], tf.float64)
    factor = np.asarray(factor_of(saddle)(z, z))[0]
    np.testing.assert_allclose(factor @ factor.T, np.diag([2.0, 0.0]), atol=1e-12)
