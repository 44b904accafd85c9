"""Models of the user's own: several inputs side by side, in either precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature.kernels import Kernels
from lmrun.curvature.layers.base import samples_last
from lmrun.errors import DataError
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.models.adopted import adopt, in_precision, with_seed
from lmrun.models.columns import Columns


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    image = keras.Input((2, 3, 2), name="image", dtype="float64")
    row = keras.Input((4,), name="row", dtype="float64")
    seen = keras.layers.Conv2D(2, 2, activation="tanh", dtype="float64")(image)
    both = keras.layers.Concatenate(dtype="float64")([keras.layers.Flatten(dtype="float64")(seen), row])
    return keras.Model([image, row], keras.layers.Dense(2, dtype="float64")(both))


@pytest.fixture(scope="module")
def network(model):
    return adopt(model, {"image": (2, 3, 2), "row": (4,)}, None)


@pytest.fixture
def rows(rng):
    return rng.normal(size=(5, 2, 3, 2)), rng.normal(size=(5, 4))


def beside(image, row):
    return np.concatenate([image.reshape(len(image), -1), row], axis=1)


def test_the_flat_input_holds_all_inputs(model, network, rows):
    found = network.outputs(tf.constant(network.params()), tf.constant(beside(*rows)))
    np.testing.assert_array_equal(found, model(list(rows)))


def test_every_layer_has_a_rule_and_the_jacobian_is_that_of_the_model(model, network, rows):
    kernels = Kernels(network, MeanSquaredError())
    rules = {type(call.rule).__name__ for call in kernels.graph.calls}
    assert rules == {"Columns", "Convolution", "Flatten", "Concatenate", "Dense"}
    targets = tf.zeros([5, 2], tf.float64)
    params, flat = tf.constant(network.params()), samples_last(tf.constant(beside(*rows)))
    linear = kernels.jacobian_and_residual(params, flat, targets, tf.ones(5, tf.float64))
    with tf.GradientTape() as tape:
        outputs = model([tf.constant(part) for part in rows])
    pieces = tape.jacobian(outputs, model.trainable_variables)
    expected = np.concatenate([np.reshape(piece, (5, 2, -1)) for piece in pieces], axis=2)
    table = np.asarray(linear.rows)[:-1].reshape(network.size, 2, 5)
    np.testing.assert_allclose(table.transpose(2, 1, 0), expected, atol=1e-12)


def test_weights_reach_the_users_model(model, network):
    before = network.params()
    network.assign(before + 1)
    np.testing.assert_array_equal(np.ravel(model.trainable_variables[0]), before[:16] + 1)
    network.assign(before)


def test_columns_are_saved_and_loaded(tmp_path):
    flat = keras.Input((6,), dtype="float64")
    keras.Model(flat, Columns(2, (2, 2), dtype="float64")(flat)).save(tmp_path / "columns.keras")
    x = np.arange(12.0).reshape(2, 6)
    loaded = keras.models.load_model(tmp_path / "columns.keras")
    np.testing.assert_array_equal(loaded(x), x[:, 2:].reshape(2, 2, 2))


def test_a_copy_has_the_functions_of_the_original():
    """Keras writes down their names, which are those of others, or of none."""

    def gelu(x):
        return 0.5 * x

    hidden = keras.layers.Dense(2, activation=gelu), keras.layers.Dense(1, activation=lambda x: 2 * x)
    model = keras.Sequential([keras.Input((1,)), *hidden])
    copy = in_precision(model, "float64")
    x = np.linspace(-1, 1, 5)[:, None]
    w, b, v, c = copy.get_weights()
    np.testing.assert_allclose(np.asarray(copy(x)), 2 * (0.5 * (x @ w + b) @ v + c), rtol=1e-12, atol=1e-15)
    assert {layer.dtype for layer in copy.layers} == {"float64"}
    assert len(with_seed(model, 3).get_weights()) == 4


def test_another_precision_keeps_structure_and_weights():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="tanh")])
    flat = keras.Input((2,))
    outer = keras.Model(flat, keras.layers.Dense(1)(keras.layers.BatchNormalization()(inner(flat))))
    network = adopt(outer, {"x": (2,)}, "float64")
    # Keras rounds to the type of an input, also of a model inside.
    places = [*network.model.inputs, *network.model.layers[1].inputs]
    assert [str(value.dtype) for value in places] == ["float64"] * 2
    assert {str(weight.dtype) for weight in network.model.weights} == {"float64"}
    x = np.linspace(0, 1, 6).reshape(3, 2)
    np.testing.assert_allclose(network.model(x), outer(x.astype("float32")), atol=1e-6)
    network.assign(network.params() / 3)
    np.testing.assert_allclose(network.model(x), outer(x.astype("float32")), atol=1e-6)


def test_an_input_in_single_precision_does_not_round():
    """`keras.Input((1,))` is float32, also in front of layers of float64."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, dtype="float64")])
    network = adopt(model, {"x": (1,)}, "float64")
    x = np.array([[1 + 1e-12]])
    kernel, _ = model.get_weights()
    np.testing.assert_array_equal(network.outputs_of(network.params(), x), x @ kernel)


def test_a_model_that_cannot_be_traced():
    class Counting(keras.Model):
        def call(self, inputs):
            raise ValueError("only on Sundays")

    with pytest.raises(DataError, match=r"Counting cannot be evaluated for inputs of \[\(2,\)\].*Sundays"):
        adopt(Counting(), {"0": (2,)}, None)
