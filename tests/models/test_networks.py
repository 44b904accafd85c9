"""Networks: shapes, seeds, and the same numbers as the Keras model itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from lmrun.config.load import load_config
from lmrun.config.models import CnnConfig, MlpConfig
from lmrun.errors import DataError
from lmrun.models.cnn import LAYERS, build_cnn
from lmrun.models.mlp import build_mlp
from lmrun.models.network import Network, sequential


def mlp(inputs, hidden, outputs=1, seed=0, dtype="float64", **settings):
    config = MlpConfig(name="mlp", hidden=tuple(hidden), **settings)
    shape = inputs if isinstance(inputs, tuple) else (inputs,)
    return build_mlp(config, shape, outputs, dtype=dtype, rng=np.random.default_rng(seed))


def cnn(layers, shape=(6, 5, 2), outputs=2, dtype="float64", **settings):
    config = CnnConfig.model_validate({"name": "cnn", "layers": list(layers), **settings})
    return build_cnn(config, shape, outputs, dtype=dtype, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("inputs", "hidden", "outputs", "bias", "size"),
    [
        (2, [10], 1, True, 41),
        (1, [20], 1, True, 61),
        (6, [12, 10, 8], 1, True, 311),
        (2, [10], 1, False, 30),
        (3, [], 2, True, 8),
        ((2, 3), [4], 2, True, 38),
    ],
)
def test_parameters_of_an_mlp(inputs, hidden, outputs, bias, size):
    network = mlp(inputs, hidden, outputs, bias=bias)
    assert network.size == size == len(network.params()) == network.model.count_params()


@pytest.mark.parametrize(("name", "size"), [("rosenbrock-mlp", 41), ("sinc", 61), ("rosenbrock-nd", 311)])
def test_parameters_of_the_shipped_networks(name, size):
    inputs = {"rosenbrock-mlp": 2, "sinc": 1, "rosenbrock-nd": 6}[name]
    config = load_config(name).config
    rng = np.random.default_rng(0)
    assert build_mlp(config.model, (inputs,), 1, dtype="float64", rng=rng).size == size


def test_parameters_of_the_shipped_cnn():
    config = load_config("mnist-cnn").config
    rng = np.random.default_rng(0)
    network = build_cnn(config.model, (28, 28, 1), 10, dtype="float32", rng=rng)
    assert network.size == 1026
    assert network.model.output_shape == (None, 10)


def test_the_seed_decides_the_weights():
    first, again, other = (mlp(2, [5], seed=seed).params() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.all(first[:10] != other[:10])


def test_layers_draw_different_weights_and_biases_start_at_zero():
    network = mlp(3, [3, 3], 3)
    kernels = [part.weights(tf.constant(network.params()))[0].numpy() for part in network.layers if part.size]
    biases = [part.weights(tf.constant(network.params()))[1].numpy() for part in network.layers if part.size]
    assert len({kernel.tobytes() for kernel in kernels}) == 3
    assert not np.any(biases)
    limit = np.sqrt(6 / (3 + 3))
    assert 0.5 * limit < np.abs(kernels).max() <= limit


ALL_LAYERS = [
    {"name": "conv", "filters": 3, "kernel_size": [2, 3], "padding": "same", "activation": "relu"},
    {"name": "pool", "kind": "max", "size": 2, "strides": 1},
    {"name": "pool", "kind": "average", "size": [2, 1]},
    {"name": "conv", "filters": 2, "kernel_size": 2},
    {"name": "flatten"},
    {"name": "dense", "units": 3, "activation": "sigmoid"},
]
NETWORKS = {
    "mlp": lambda: mlp(2, [4, 3], 2),
    "linear": lambda: mlp(2, [], 2),
    "no activation": lambda: mlp(2, [3], 2, activation="linear"),
    "images": lambda: mlp((3, 2), [4], 2),
    "cnn": lambda: cnn(ALL_LAYERS),
    "float32": lambda: mlp(2, [4], dtype="float32"),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def test_all_layers_are_there():
    assert {layer["name"] for layer in ALL_LAYERS} == set(LAYERS)


@every_network
def test_outputs_are_those_of_the_keras_model(name, rng):
    network = NETWORKS[name]()
    network.assign(network.params() + rng.normal(scale=0.1, size=network.size).astype(network.params().dtype))
    inputs = tf.constant(rng.normal(size=(4, *network.model.input_shape[1:])), network.params().dtype)
    outputs = network.outputs(tf.constant(network.params()), inputs)
    assert outputs.dtype == network.params().dtype
    np.testing.assert_allclose(
        outputs.numpy(), network.model(inputs).numpy(), rtol=1e-6 if name == "float32" else 1e-14
    )


@every_network
def test_outputs_do_not_touch_the_variables(name, rng):
    network = NETWORKS[name]()
    before = network.params()
    inputs = tf.constant(rng.normal(size=(2, *network.model.input_shape[1:])), before.dtype)
    moved = network.outputs(tf.constant(before + 1), inputs)
    np.testing.assert_array_equal(network.params(), before)
    assert np.any(moved.numpy() != network.outputs(tf.constant(before), inputs).numpy())


@every_network
def test_assigned_parameters_come_back(name, rng):
    network = NETWORKS[name]()
    params = rng.normal(size=network.size).astype(network.params().dtype)
    network.assign(params)
    np.testing.assert_array_equal(network.params(), params)


def test_an_mlp_by_hand(rng):
    network = mlp(2, [3])
    params, x = rng.normal(size=13), rng.normal(size=(5, 2))
    W, b, v, c = params[:6].reshape(2, 3), params[6:9], params[9:12], params[12]
    outputs = network.outputs(tf.constant(params), tf.constant(x)).numpy()
    np.testing.assert_allclose(outputs[:, 0], np.tanh(x @ W + b) @ v + c, rtol=1e-13)


def test_only_formulas_name_their_parameters(make_formula):
    assert mlp(1, [1]).named_params() == {}
    assert make_formula("b*x + a", a=2, b=3).named_params() == {"a": 2.0, "b": 3.0}


@pytest.mark.parametrize(
    "layers",
    [
        [{"name": "conv", "filters": 1, "kernel_size": 7}],
        [{"name": "pool", "size": 9}],
        [
            {"name": "conv", "filters": 1, "kernel_size": 4},
            {"name": "conv", "filters": 1, "kernel_size": [1, 3]},
        ],
    ],
)
def test_images_too_small_for_the_layers(layers):
    with pytest.raises(DataError) as error:
        cnn(layers)
    assert str(error.value) == (
        "model.layers: the images of 6 x 5 pixels shrink to nothing in these layers; use smaller kernels or "
        "strides, or padding: same."
    )


def test_images_only_before_a_flatten():
    with pytest.raises(DataError, match=r"^model\.layers\[1\]: a pool layer cannot follow flatten or dense"):
        cnn([{"name": "dense", "units": 2}, {"name": "pool"}])


def test_a_cnn_needs_images():
    with pytest.raises(DataError, match=r"^model\.name: a cnn reads images, .* has the shape \(3,\)"):
        cnn([{"name": "conv", "filters": 1, "kernel_size": 1}], shape=(3,))


def test_layers_of_no_cnn_are_no_config():
    with pytest.raises(ValidationError):
        cnn([{"name": "lstm"}])


def functional():
    """Two branches over a shared layer; the frozen one has no parameters."""
    x = keras.Input((3,), dtype="float64")
    shared, frozen = keras.layers.Dense(3, dtype="float64"), keras.layers.Dense(2, dtype="float64")
    frozen.trainable = False
    return keras.Model(
        x,
        [frozen(shared(x)), {"scores": keras.layers.BatchNormalization(dtype="float64")(shared(shared(x)))}],
    )


def test_parameters_are_those_of_the_model_in_its_order(rng):
    network = Network(functional())
    assert network.size == 3 * 3 + 3 + 2 * 3
    network.assign(np.arange(18.0))
    variables = network.model.trainable_variables
    np.testing.assert_array_equal(
        np.concatenate([np.ravel(variable) for variable in variables]), np.arange(18)
    )
    weights = [weight for part in network.layers for weight in part.weights(network.params())]
    for weight, variable in zip(weights, variables, strict=True):
        np.testing.assert_array_equal(weight, variable)


def test_several_outputs_lie_side_by_side(rng):
    network, inputs = Network(functional()), rng.normal(size=(4, 3))
    outputs = network.outputs(tf.constant(network.params()), tf.constant(inputs))
    first, second = network.model(inputs)
    np.testing.assert_allclose(outputs, np.concatenate([first, second["scores"]], axis=1), rtol=1e-14)


def test_layers_inside_of_models_have_their_place():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    network = Network(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), inner]))
    part = network.part(inner.layers[1])
    assert (part.start, part.shapes) == (12 + 8, ((2, 1), (1,)))
    assert network.part(keras.layers.Activation("tanh")).size == 0
    stranger = keras.layers.Dense(1)
    stranger.build((None, 3))
    assert network.part(stranger) is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: keras.Sequential([keras.layers.Dense(1)]),
            "Sequential is no Sequential or functional Keras model that is built",
        ),
        (
            lambda: Subclassed(name="own"),
            "Subclassed is no Sequential or functional Keras model that is built",
        ),
        (
            lambda: keras.Model(
                [a := keras.Input((1,)), b := keras.Input((1,))], keras.layers.Dense(1)(a + b)
            ),
            "it reads 2 inputs",
        ),
        (
            lambda: sequential(
                [keras.layers.Dense(2, dtype="float64"), keras.layers.Dense(1)], (1,), "float64"
            ),
            "not float32 and float64",
        ),
        (lambda: sequential([keras.layers.Flatten()], (1,), "float32"), "not none at all"),
    ],
)
def test_models_that_cannot_be_fitted(make, words):
    with pytest.raises(DataError, match=f"^model: .*{words}"):
        Network(make())


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def test_a_subclassed_model_can_be_wrapped_as_the_message_says(rng):
    """`keras.Model(inputs, model(inputs))`."""

    class Line(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.dense = keras.layers.Dense(1, dtype="float64")

        def call(self, inputs):
            return self.dense(inputs) ** 2

    inputs = keras.Input((2,), dtype="float64")
    network = Network(keras.Model(inputs, Line()(inputs)))
    values = rng.normal(size=(3, 2))
    outputs = network.outputs(tf.constant([1.0, 2.0, 3.0], tf.float64), tf.constant(values))
    np.testing.assert_allclose(outputs[:, 0], (values @ [1, 2] + 3) ** 2, rtol=1e-14)
