"""The model that users load, in their units."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.datasets.base import Affine
from lmrun.models.export import in_user_units

INPUTS = Affine(np.array([1000.0, -2e-9]), np.array([3.0, 5e-10]))
TARGETS = Affine(np.array([0.5, 1e6]), np.array([2e-12, 3e4]))


def user_inputs(rng):
    return np.array([[1001.5, -1.7e-9], [995.0, -2.9e-9]]) + rng.normal(size=(2, 2)) * [1, 1e-10]


def save_and_load(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.parametrize("input_map", [INPUTS, None])
@pytest.mark.parametrize("target_map", [TARGETS, None])
def test_a_saved_model_speaks_the_users_units(input_map, target_map, make_mlp, tmp_path, rng):
    """Also in nanometres, where Keras' own normalization has a floor of 1e-7 below the scale."""
    network = make_mlp(2, [4], 2)
    x = user_inputs(rng) if input_map else rng.normal(size=(2, 2))
    trained = x if input_map is None else input_map.forward(x)
    expected = network.outputs(tf.constant(network.params()), tf.constant(trained)).numpy()
    expected = expected if target_map is None else target_map.inverse(expected)
    model = in_user_units(network, input_map, target_map, "float64")
    loaded = save_and_load(model, tmp_path / "model.keras")
    for predict in (model, loaded, loaded.predict_on_batch):
        np.testing.assert_allclose(np.asarray(predict(tf.constant(x))), expected, rtol=1e-12)
    assert loaded(tf.constant(x)).dtype == tf.float64


def test_a_large_shift_does_not_cancel(make_formula):
    """x - shift is exact for close numbers; x / scale - shift / scale would lose nine digits."""
    affine = Affine(np.array([1e6, 0.0]), np.array([1e-3, 1.0]))
    network = make_formula("a*x + 0*y", a=1)
    x = np.array([[1e6 + 2.0**-10, 0.0]])
    model = in_user_units(network, affine, None, "float64")
    np.testing.assert_allclose(model(tf.constant(x)).numpy(), [[2.0**-10 / 1e-3]], rtol=1e-15)


def test_the_wrapped_model_shares_the_weights(make_mlp, rng):
    network = make_mlp(2, [3], 2)
    model = in_user_units(network, INPUTS, TARGETS, "float64")
    x = tf.constant(user_inputs(rng))
    before = model(x).numpy()
    network.assign(network.params() + 1)
    assert np.all(model(x).numpy() != before)
    assert len(network.model.layers) == 3


def test_float32(make_formula):
    network = make_formula("a*x", columns=("x",), a=2)
    affine = Affine(np.array([1.0]), np.array([4.0]))
    model = in_user_units(network, affine, affine, "float32")
    assert model.layers[0].compute_dtype == "float32"
    np.testing.assert_array_equal(model(np.array([[9.0]], np.float32)).numpy(), [[17.0]])
