"""The Jacobian of every rule, network and loss against automatic and finite differences in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_models import FLOAT, FUNCTIONAL, GENERIC, LAYERS, WHOLE, between_layers, dense, randomized

from lmrun.curvature.graph import Graph
from lmrun.curvature.jacobian import linearize
from lmrun.curvature.layers.base import samples_first, samples_last
from lmrun.curvature.layers.generic import Generic, Whole
from lmrun.curvature.layers.registry import RULES, tell
from lmrun.errors import DataError
from lmrun.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lmrun.losses.elementwise import Huber, MeanAbsoluteError, MeanSquaredError
from lmrun.models.formula import Formula
from lmrun.models.network import Network, sequential

ROWS = 4
MSE = MeanSquaredError()
LOSSES = {
    "mse": MSE,
    "mae": MeanAbsoluteError(),
    "huber": Huber(delta=0.4),
    "binary": BinaryCrossentropy(),
    "categorical": CategoricalCrossentropy(),
    "sparse": SparseCategoricalCrossentropy(),
}


def make_targets(rng, outputs, loss):
    labels = rng.integers(0, outputs, ROWS)
    return {
        "binary_crossentropy": rng.integers(0, 2, (ROWS, outputs)).astype(float),
        "categorical_crossentropy": np.eye(outputs)[labels],
        "sparse_categorical_crossentropy": labels,
    }.get(loss.name, rng.normal(size=(ROWS, outputs)))


def assert_linearized(network, loss=MSE, seed=0):
    """Compare residual and Jacobian with r and F^T dz/dtheta; the losses' own tests hold r and F."""
    rng, graph = np.random.default_rng(seed), Graph(network)
    inputs = tf.constant(rng.normal(size=(ROWS, *network.model.inputs[0].shape[1:])))
    weights = np.array([1.7, 0.0, 0.6, 1.1])
    targets = tf.constant(make_targets(rng, graph.width, loss))
    params = tf.constant(network.params())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        outputs = network.outputs(params, inputs)
    derivative = tape.jacobian(
        outputs, params, unconnected_gradients="zero", experimental_use_pfor=False
    ).numpy()
    root = np.sqrt(weights)
    factor = np.stack([column.numpy() for column in loss.columns(outputs, targets, None)], axis=2)
    factor *= root[:, None, None]
    expected = np.einsum("roq,ron->qrn", factor, derivative).reshape(-1, network.size)

    rows = (samples_last(inputs), targets, tf.constant(weights))
    np.testing.assert_allclose(graph.outputs(params, rows[0]).numpy().T, outputs, rtol=1e-12, atol=1e-13)
    *transposed, residual = linearize(graph, loss, params, *rows).rows.numpy()
    jacobian = np.transpose(transposed)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-10, atol=1e-10)
    # Central differences along two directions, which share nothing with automatic differentiation.
    for direction in rng.normal(size=(2, network.size)):
        ahead, behind = (network.outputs(params + step * direction, inputs).numpy() for step in (1e-6, -1e-6))
        differences = np.einsum("roq,ro->qr", factor, (ahead - behind) / 2e-6).ravel()
        accuracy = 1e-6 * max(1, np.abs(factor).max(), np.abs(differences).max())
        np.testing.assert_allclose(jacobian @ direction, differences, rtol=1e-6, atol=accuracy)
    weighted = (loss.residual(outputs, targets).numpy() * root[:, None]).T.ravel()
    np.testing.assert_allclose(residual, weighted, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(jacobian[1::ROWS], 0)


def types(model):
    """The types of all layers and operations of a model."""
    return {type(call.part.layer) for call in Graph(Network(model)).calls}


def has_generic(graph):
    return any(isinstance(call.rule, Generic) for call in graph.calls)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_a_rule(name):
    network = randomized(between_layers(LAYERS[name][0], LAYERS[name][1]()))
    assert not has_generic(Graph(network))
    assert_linearized(network)


def test_every_rule_is_tested():
    layers = {type(make()) for _, make in LAYERS.values()}
    merges = set.union(*(types(FUNCTIONAL[name]()) for name in FUNCTIONAL)) & set(RULES)
    elsewhere = {Formula, keras.layers.Embedding, keras.layers.MaxPooling3D, keras.layers.AveragePooling3D}
    assert layers | merges | elsewhere == set(RULES)


@pytest.mark.parametrize("kind", ["MaxPooling3D", "AveragePooling3D"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pooling_of_three_axes(kind, padding, rng):
    """Against the same layer in float32: TensorFlow does not pool three axes of float64 on a CPU."""
    layer = getattr(keras.layers, kind)((2, 2, 1), padding=padding)
    values = rng.normal(size=(ROWS, 3, 3, 2, 2)).astype(np.float32)
    mine = RULES[type(layer)].forward(layer, (), [samples_last(tf.constant(values))])
    np.testing.assert_allclose(samples_first(mine), layer(values), rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_embeddings(shape):
    """Words are numbers, which have no derivative."""
    embedding = keras.layers.Embedding(4, 3, **FLOAT)
    layers = [embedding, keras.layers.Flatten(**FLOAT), dense(2)] if shape else [embedding, dense(2)]
    network = randomized(keras.Sequential([keras.Input(shape, **FLOAT), *layers]))
    words = np.random.default_rng(1).integers(0, 4, (ROWS, *shape)).astype(float)
    params = tf.constant(network.params())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        outputs = network.outputs(params, tf.constant(words))
    derivative = tape.jacobian(outputs, params, experimental_use_pfor=False).numpy()
    targets, ones = tf.zeros_like(outputs), tf.ones(ROWS, tf.float64)
    inputs = samples_last(tf.constant(words))
    jacobian = linearize(Graph(network), MSE, params, inputs, targets, ones).rows.numpy()[:-1].T
    expected = np.concatenate([derivative[:, 0], derivative[:, 1]])
    np.testing.assert_allclose(jacobian, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", GENERIC)
def test_layers_without_a_rule(name):
    network = randomized(between_layers(GENERIC[name][0], GENERIC[name][1]()))
    assert has_generic(Graph(network))
    assert_linearized(network)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_models(name):
    network = randomized(FUNCTIONAL[name]())
    assert not any(isinstance(call.rule, Whole) for call in Graph(network).calls)
    assert_linearized(network)


@pytest.mark.parametrize("name", WHOLE)
def test_models_that_cannot_be_followed(name):
    network = randomized(WHOLE[name]())
    (call,) = Graph(network).calls
    assert isinstance(call.rule, Whole)
    assert_linearized(network)


def test_adapters_take_the_generic_path():
    layer = keras.layers.Dense(3)
    layer.build((None, 3))
    layer.enable_lora(1)
    assert has_generic(Graph(Network(keras.Sequential([keras.Input((3,)), layer]))))


def test_the_size_of_all_values():
    assert Graph(Network(FUNCTIONAL["shared layer"]())).value_size == 3 + 3 + 3 + 3 + 1
    assert Graph(Network(WHOLE["states"]())).value_size == 2 * 2 + 3 * 2


def test_a_graph_leaves_the_model_as_it_was():
    model = FUNCTIONAL["nested model"]()
    before = model.get_config()
    Graph(Network(model))
    assert model.get_config() == before


def test_outputs_of_an_unknown_number():
    model = keras.Sequential([keras.Input((None, 2), **FLOAT), dense(1)])
    with pytest.raises(DataError, match=r"^model: its outputs have the shapes \[\(None, 1\)\]"):
        Graph(Network(model))


def test_the_generic_path_is_said_once_per_type(caplog):
    tell.cache_clear()
    for _ in range(2):
        layers = [keras.layers.LSTM(2, **FLOAT), keras.layers.Reshape((2, 1)), keras.layers.LSTM(1, **FLOAT)]
        Graph(Network(keras.Sequential([keras.Input((3, 2), **FLOAT), *layers])))
        Graph(Network(WHOLE["masks"]()))
        Graph(Network(between_layers((3,), dense(2))))
    assert [(record.name, record.levelname) for record in caplog.records] == [("lmrun", "WARNING")] * 2
    assert caplog.messages == [
        "LSTM has no Jacobian rule of its own, or not with its arguments: lmrun takes the generic path, which"
        " gives the same numbers and is slower.",
        "The layers of this model cannot be followed, because Masking hides values by masks: lmrun takes the "
        "generic path for the whole model, which gives the same numbers and is slower.",
    ]


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
def test_formulas(expression, parameters, make_formula):
    assert_linearized(make_formula(expression, **parameters))


def test_formulas_beside_layers(make_formula):
    formula = make_formula("a*exp(-b*x) + y", a=1.5, b=0.3).model.layers[0]
    x = keras.Input((2,), **FLOAT)
    model = keras.Model(x, formula(dense(2)(formula(x) * x)))
    assert_linearized(randomized(model))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_several_outputs(name, make_mlp):
    assert_linearized(make_mlp(2, [4, 3], 3), LOSSES[name])


@pytest.mark.parametrize(
    "activation", ["tanh", "sigmoid", "softplus", "gelu", "linear", "relu", "elu", "silu"]
)
def test_activations(activation, make_mlp):
    assert_linearized(make_mlp(2, [3], activation=activation, bias=False))


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
    assert_linearized(network, LOSSES[loss], seed)


def test_float32_stays_float32():
    layers = [keras.layers.Conv1D(2, 2), keras.layers.LayerNormalization(), keras.layers.SimpleRNN(2)]
    network = Network(sequential(layers, (4, 2), "float32"))
    inputs, targets = tf.random.normal((2, 4, ROWS)), tf.zeros((ROWS, 2))
    rows = linearize(Graph(network), MSE, tf.constant(network.params()), inputs, targets, tf.ones(ROWS)).rows
    assert rows.dtype == tf.float32
