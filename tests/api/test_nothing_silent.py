"""What a model or an argument says, and lmrun would not do, is refused; what it does is what it says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lmrun
from lmrun.api.endings import activation_of
from lmrun.api.losses import choose
from lmrun.errors import ConfigError, DataError, UsageError
from lmrun.keras import Residuals


def dense(units, activation=None, **settings):
    return keras.layers.Dense(units, activation=activation, dtype="float64", **settings)


class Adds(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        return inputs


MODELS = {
    "regularizer": (
        dense(3, kernel_regularizer="l2"),
        "kernel has a regularizer, and lmrun minimizes the loss",
    ),
    "constraint": (dense(3, kernel_constraint="non_neg"), "kernel has a constraint"),
    "activity": (dense(3, activity_regularizer="l2"), "a layer has an activity_regularizer"),
    "add_loss": (Adds(dtype="float64"), "a layer calls add_loss"),
}


@pytest.mark.parametrize(("layer", "words"), MODELS.values(), ids=MODELS)
def test_models_that_minimize_more_than_the_loss_are_refused(layer, words, wave):
    model = keras.Sequential([keras.Input((1,), dtype="float64"), layer, dense(1)])
    with pytest.raises(DataError, match=words):
        lmrun.fit(model, wave.x, wave.y, max_steps=1)


@pytest.mark.parametrize("name", ["path", "solver", "training"])
def test_what_is_no_argument_of_fit_is_none_of_a_trainer(name, small, wave):
    with pytest.raises(ConfigError, match=f"training.{name}: unknown key"):
        lmrun.Trainer(small(), wave.x, wave.y, **{name: "qr"})


ARGUMENTS = {
    "parameters": ({"parameters": {"a": 1.0}}, "parameters: are those of a formula"),
    "events": ({"tensorboard": True}, "tensorboard: is about what is written into a run directory"),
    "lines": ({"log_seconds": 2.0}, "log_seconds: is about the progress lines"),
    "patience": ({"patience": 3}, "patience: counts validations; give validation_data or validation_split"),
    "sum": ({"loss": keras.losses.MeanSquaredError(reduction="sum")}, "reduction='sum' is not what lmrun"),
    "loss": ({"loss": 3}, "loss: should be a name, a mapping, a loss of Keras' or a function"),
    "wrapper": ({"model": lmrun.keras.LMModel}, "model: should be a Keras model or a formula"),
}


@pytest.mark.parametrize(("options", "words"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_that_would_do_nothing_are_refused(options, words, small, wave):
    given = {"model": small(), **options}
    with pytest.raises(UsageError, match=words):
        lmrun.fit(given.pop("model"), wave.x, wave.y, max_steps=1, **given)


def test_other_initial_weights_are_tried(small, wave):
    """Restarts of a Keras model: the first start is its own, the others share the steps with it."""
    poor = small()
    poor.set_weights([0 * weight for weight in poor.get_weights()])
    stuck = lmrun.fit(poor, wave.x, wave.y, max_steps=30)
    poor.set_weights([0 * weight for weight in poor.get_weights()])
    found = lmrun.fit(poor, wave.x, wave.y, max_steps=90, restarts=2)
    assert found.loss < 0.01 * stuck.loss
    np.testing.assert_allclose(np.mean((np.asarray(poor(wave.x)) - wave.y) ** 2), found.best_loss, rtol=1e-9)
    network = found.experiment.network
    np.testing.assert_array_equal(network.drawn(3), network.drawn(3))
    assert not np.array_equal(network.drawn(3), network.drawn(4))


def test_probabilities_are_seen_whatever_makes_them():
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(3)(inputs)
    inner = keras.Model(inputs, keras.layers.Dense(3, "softmax")(hidden))
    assert activation_of(keras.layers.Activation("softmax")(hidden)) == "softmax"
    assert activation_of(inner(inputs)) == "softmax"
    assert activation_of(keras.layers.Reshape((3, 1))(keras.layers.Softmax()(hidden))) == "softmax"
    assert activation_of(hidden) == "linear"
    assert activation_of(keras.ops.softmax(hidden)) is None


class Own(keras.Model):
    """Layers in another order than they are called; the last one called makes probabilities."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(3)
        self.second = dense(2, "softmax")
        self.first = dense(4, "tanh")

    def call(self, inputs):
        return self.second(self.first(inputs))


def test_a_class_of_its_own_that_ends_in_probabilities(wave):
    targets = np.eye(2)[(wave.x[:, 0] > 0.2).astype(int)]
    model = Own()
    result = lmrun.fit(model, wave.x, targets, loss="categorical_crossentropy", max_steps=3)
    shares = np.asarray(model(tf.constant(wave.x)))
    assert result.loss == pytest.approx(-np.mean(np.sum(targets * np.log(shares), axis=1)), rel=1e-9)


class TheirLoss(keras.losses.Loss):
    """As tf-levenberg-marquardt has them."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    def residuals(self, y_true, y_pred):
        return y_true - y_pred


def test_a_loss_object_with_residuals_is_trained_by_them():
    chosen = choose(TheirLoss(), ((2,), (2,)))
    assert isinstance(chosen.keras, Residuals)
    z, t = tf.constant([[1.0, 2.0]]), tf.constant([[0.0, 5.0]])
    np.testing.assert_array_equal(chosen.section["residual"](z, t), [[-1.0, 3.0]])


NAMES = {
    "MSELoss": "mse", "L1Loss": "mae", "L1": "mae", "HuberLoss": "huber", "MeanSquaredError": "mse",
    "BCEWithLogitsLoss": "binary_crossentropy", "CrossEntropyLoss": "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
}  # fmt: skip


@pytest.mark.parametrize(("name", "ours"), NAMES.items())
def test_names_of_losses_from_elsewhere(name, ours):
    assert choose(name, (None, None)).section["name"] == ours


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("name", ["SquaredCategoricalCrossentropy", "categorical_mean_squared_error"])
def test_losses_with_fewer_residuals_by_name(name, shares):
    chosen = choose(name, ((3,), (3,)), lambda activation: shares and activation == "softmax")
    assert chosen.keras.from_logits is not shares
    assert choose("ReducedOutputsMeanSquaredError", ((3,), (3,))).own


def test_a_certain_class_has_a_finite_loss():
    """Keras bounds probabilities; so does this loss."""
    loss = lmrun.keras.SquaredCategoricalCrossentropy()
    value = float(loss(tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]])))
    assert value == pytest.approx(np.log(1e-7) ** 2, rel=1e-5)
    smooth = lmrun.keras.SquaredCategoricalCrossentropy(label_smoothing=0.2)
    target, share = np.array([[0.9, 0.1]]), np.array([[0.7, 0.3]])
    expected = np.sum(target * np.log(share)) ** 2
    assert float(smooth(tf.constant([[1.0, 0.0]]), share)) == pytest.approx(expected, rel=1e-5)
