"""Models with several outputs: losses, weights, targets by name, and Keras' own sums."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lmrun
from lmrun.api.losses import choose
from lmrun.api.several_losses import Part, joint
from lmrun.errors import DataError, UsageError
from lmrun.keras import LMModel
from lmrun.losses.second_derivative import second_derivative


def dense(units, activation=None, **settings):
    return keras.layers.Dense(units, activation=activation, dtype="float64", **settings)


X = np.linspace(-1, 1, 24)[:, None]
VALUES = np.hstack([np.sin(2 * X), X**2])
CLASSES = np.eye(3)[np.digitize(X[:, 0], [-0.3, 0.4])]


def model(mapping=False, last="softmax"):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((1,), dtype="float64")
    hidden = dense(4, "tanh")(inputs)
    value, label = dense(2, name="value")(hidden), dense(3, last, name="label")(hidden)
    return keras.Model(inputs, {"label": label, "value": value} if mapping else [value, label])


def losses(outputs):
    value, label = outputs
    return np.mean((value - VALUES) ** 2), -np.mean(np.sum(CLASSES * np.log(label), axis=1))


def test_losses_by_name_are_added_up_as_by_keras():
    """One compilation for all that Keras and lmrun have to agree about."""
    trained = LMModel(model())
    trained.compile(
        loss={"label": "categorical_crossentropy", "value": "mse"},
        loss_weights={"value": 2.0},
        metrics={"label": ["accuracy"]},
    )
    targets = {"label": CLASSES, "value": VALUES}
    history = trained.fit(X, targets, epochs=6, verbose=0).history
    mse, crossentropy = losses(trained.predict(X))
    assert history["loss"][-1] == pytest.approx(2 * mse + crossentropy, rel=1e-9)
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    found = trained.evaluate(X, targets, return_dict=True)
    assert found["loss"] == pytest.approx(history["loss"][-1], rel=1e-6)
    assert found["label_accuracy"] == history["label_accuracy"][-1]
    other = LMModel(model(mapping=True))
    other.compile(loss={"value": "mse", "label": "categorical_crossentropy"}, loss_weights={"value": 2.0})
    assert set(other.predict(X)) == {"label", "value"}


def test_sums_of_squares_stay_least_squares(rng):
    """Residuals scaled so that the mean of their squares is the weighted sum of the losses."""

    def twice(y_true, y_pred):
        return 2 * (y_pred - y_true)[:, :1]

    parts = [
        Part("a", choose("mse", ((2,), (2,))), 3.0, 2, 2),
        Part("none", None, 1.0, 1, 0),
        Part("b", choose(lmrun.keras.Residuals(twice), ((3,), (3,))), 0.5, 3, 3),
    ]
    chosen = joint(parts, list)
    z, t = rng.normal(size=(4, 6)), rng.normal(size=(4, 5))
    residuals = np.asarray(chosen.section["residual"](tf.constant(z), tf.constant(t)))
    expected = 3 * np.mean((z[:, :2] - t[:, :2]) ** 2, axis=1) + 0.5 * (2 * (z[:, 3] - t[:, 2])) ** 2
    assert residuals.shape == (4, 3)
    np.testing.assert_allclose(np.mean(residuals**2, axis=1), expected, rtol=1e-12)
    assert chosen.weights == [3.0, 1.0, 0.5]
    assert chosen.keras[1] is None


def test_targets_are_found_by_their_names():
    inputs = keras.Input((1,), dtype="float64")
    two = keras.Model(inputs, [dense(1, name="b")(inputs), dense(1, name="a")(inputs)])
    result = lmrun.fit(two, X, {"a": 3 * X, "b": 5 * X}, max_steps=20)
    b, a = result.predict([[1.0]])
    np.testing.assert_allclose([a[0, 0], b[0, 0]], [3.0, 5.0], rtol=1e-6)


REFUSED = {
    "strange loss": (
        {"loss": {"values": "mse"}},
        UsageError,
        "loss: 'values' is no output; the model has the",
    ),
    "too few": (
        {"loss": ["mse"]},
        UsageError,
        "loss: 1 are given, and the model has the outputs value, label",
    ),
    "weights": ({"loss_weights": [1.0, -1.0]}, UsageError, "loss_weights: should be numbers of at least 0"),
    "none": ({"loss": [None, None]}, UsageError, "loss: no output of the model has one"),
    "y": (
        {"y": {"value": VALUES, "lable": CLASSES}},
        DataError,
        "y: the model predicts 2 outputs, value, label",
    ),
    "width": (
        {"y": [CLASSES, VALUES]},
        DataError,
        "y 'value': has 3 values per row, and the model predicts 2",
    ),
}


@pytest.mark.parametrize(("options", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_words(options, kind, words):
    given = {"y": [VALUES, CLASSES], **options}
    with pytest.raises(kind, match=words):
        lmrun.fit(model(last=None), X, max_steps=1, **given)


def test_an_output_without_a_loss_is_not_trained():
    network = model(last=None)
    before = network.get_layer("label").get_weights()[0]
    lmrun.fit(network, X, [VALUES, CLASSES], loss=["mse", None], max_steps=2)
    np.testing.assert_array_equal(network.get_layer("label").get_weights()[0], before)


def test_the_curvature_of_a_sum_is_that_of_its_parts():
    parts = [
        Part("a", choose("mse", ((2,), (2,))), 2.0, 2, 2),
        Part("b", choose("sparse_categorical_crossentropy", ((), (3,))), 0.5, 3, 1),
    ]
    section = joint(parts, list).section
    z = tf.constant([[0.3, -0.2, 0.1, 0.5, -0.4]], tf.float64)
    t = tf.constant([[1.0, 0.0, 2.0]], tf.float64)
    factor = np.asarray(section["factor"](z, t))[0]
    expected = np.asarray(second_derivative(section["value"], z, t))[0]
    np.testing.assert_allclose(factor @ factor.T, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_classes_at_several_positions_of_a_row_are_averaged(name):
    """Outputs [rows, positions, classes], as Keras takes them: a cross-entropy for each position."""
    keras.utils.set_random_seed(2)
    labels = np.stack([np.digitize(X[:, 0], [-0.3, 0.4]), np.digitize(X[:, 0], [0.1, 0.2])], axis=1)
    layers = [dense(4, "tanh"), dense(6), keras.layers.Reshape((2, 3), dtype="float64")]
    trained = LMModel(keras.Sequential([keras.Input((1,), dtype="float64"), *layers]))
    trained.compile(loss=name)
    targets = labels if name.startswith("sparse") else np.eye(3)[labels]
    history = trained.fit(X, targets, epochs=4, verbose=0).history
    logits = trained.predict(X)
    logarithms = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    expected = -np.mean(np.take_along_axis(logarithms, labels[..., None], axis=-1))
    assert history["loss"][-1] == pytest.approx(expected, rel=1e-6)
    assert history["loss"][-1] < history["loss"][0]
    with pytest.raises(UsageError, match="classes for each of several positions"):
        choose({"name": name}, ((2,), (2, 3)))
