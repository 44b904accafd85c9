"""Convolutions, pooling and the softmax's curvatures in NumPy against the kernels of TensorFlow."""

from dataclasses import dataclass
from functools import reduce

import keras
import numpy as np
import pytest
import tensorflow as tf
from host_cases import KEY, assert_agree, assert_same, case_of
from keras_models import randomized

from lmrun.curvature.host import kernels as module
from lmrun.curvature.host import products
from lmrun.curvature.host.kernels import host_kernels
from lmrun.curvature.host.losses.registry import host_loss
from lmrun.curvature.host.losses.softmax import random_signs
from lmrun.curvature.host.native import convolution
from lmrun.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.losses.projected import Projected
from lmrun.losses.square_root import SquareRoot

SPARSE, SHARED = SparseCategoricalCrossentropy(), CategoricalCrossentropy()


@dataclass(frozen=True)
class SameSigns(Projected):
    """With the signs of the kernels in NumPy."""

    def columns(self, outputs, targets, key):
        shape = (self.projections, *outputs.shape[::-1])
        signs = random_signs(np.asarray(key), shape, np.dtype(outputs.dtype.as_numpy_dtype))
        size = self.projections**-0.5
        return [self.loss.project(outputs, targets, tf.constant(size * one.T)) for one in signs]


def network_of(image, *layers, dtype="float64"):
    """A network of layers and, behind them, three outputs."""
    stack = [*layers, keras.layers.Flatten(), keras.layers.Dense(3)]
    for layer in stack:
        layer.dtype_policy = keras.DTypePolicy(dtype)
    return randomized(keras.Sequential([keras.Input(image, dtype=dtype), *stack]))


def conv(filters, size, **options):
    return keras.layers.Conv2D(filters, size, **{"activation": "tanh", **options})


NETWORKS = {
    "strides": ((8, 7, 2), lambda: [conv(3, 4, strides=2), conv(2, 2, activation="softplus")]),
    "same": ((5, 6, 1), lambda: [conv(2, 3, padding="same"), conv(2, (2, 4), strides=2, padding="same")]),
    "gaps": ((8, 8, 2), lambda: [conv(2, 2, strides=3)]),
    "dilation": ((7, 7, 2), lambda: [conv(2, 2, dilation_rate=(2, 3), use_bias=False)]),
    "line": ((9, 2), lambda: [keras.layers.Conv1D(3, 3, strides=2, activation="sigmoid")]),
    "average": (
        (5, 6, 1),
        lambda: [conv(2, 2), keras.layers.AveragePooling2D(2, padding="same"), conv(2, 2)],
    ),
    "max": (
        (7, 6, 1),
        lambda: [conv(2, 2, padding="same"), keras.layers.MaxPooling2D(3, 2, padding="same"), conv(2, 2)],
    ),
    "first": (
        (4, 4, 1),
        lambda: [keras.layers.MaxPooling2D(2), conv(2, 2, activation=None), keras.layers.Activation("elu")],
    ),
}
LOSSES = {
    "mse": (MeanSquaredError(), None, "values"),
    "exact": (SPARSE, None, "labels"),
    "projected": (Projected(SPARSE, 2), SameSigns(SPARSE, 2), "labels"),
    "square-root": (SquareRoot(SPARSE), None, "labels"),
    "shares": (SHARED, None, "shares"),
    "shares, projected": (Projected(SHARED, 1), SameSigns(SHARED, 1), "shares"),
}


@pytest.mark.parametrize("compiler", ["c", "none"])
@pytest.mark.parametrize("name", NETWORKS)
def test_layers(name, compiler, monkeypatch):
    """In C where there is a compiler, and in NumPy where there is none."""
    if compiler == "none":
        monkeypatch.setattr(convolution, "library", lambda *_, **__: None)
    image, layers = NETWORKS[name]
    assert_agree(case_of(network_of(image, *layers())))


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    loss, reference, targets = LOSSES[name]
    network = network_of((4, 4, 1), conv(2, 2, strides=2))
    assert_agree(case_of(network, loss=loss, reference=reference, targets=targets))


def test_single_precision():
    loss, reference, targets = LOSSES["projected"]
    network = network_of((4, 4, 1), conv(2, 2, strides=2), dtype="float32")
    assert_agree(case_of(network, "float32", loss=loss, reference=reference, targets=targets), "float32")


@pytest.mark.parametrize("size", [1, 20, 10**6])
def test_products_in_pieces(size, rng, monkeypatch):
    monkeypatch.setattr(products, "SMALL", size)
    small, wide = rng.normal(size=(2, 3)), rng.normal(size=(4, 3, 7))
    made, summed = np.empty((4, 2, 7)), np.empty((3, 2))
    products.multiply(small, wide, made)
    np.testing.assert_allclose(made, small @ wide, rtol=1e-14)
    products.multiply_transposed(wide, made, summed)
    np.testing.assert_allclose(summed, np.einsum("pmc,pkc->mk", wide, made), rtol=1e-14)


def test_pieces_have_the_gradient_once(monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", (600, 600))
    loss, reference, targets = LOSSES["projected"]
    network = network_of((4, 4, 1), conv(2, 2, strides=2))
    kernels, plain, params, _, rows = case_of(network, loss=loss, reference=reference, targets=targets)
    whole = plain.plain_jacobian_and_residual(params, *rows, KEY)
    pieces, products = [], []
    for piece in kernels.tables(params, *rows, KEY):
        pieces.append(piece)
        products.append(piece.rows @ piece.rows.T)
    assert len(pieces) > 2
    assert_same(reduce(np.add, products), whole.rows @ tf.transpose(whole.rows))
    assert_same(reduce(np.add, [piece.gradient for piece in pieces]), whole.gradient)
    assert_same(sum(piece.value for piece in pieces), whole.value)


def test_chunks_have_the_rows_of_a_piece_as_long_as_their_values_fit(monkeypatch):
    network = network_of((28, 28, 1), conv(6, 3, strides=2), conv(1, 4))
    # Of a chain in C the values are less.
    monkeypatch.setattr(module, "native_chain", lambda *_: None)
    kernels = host_kernels(network, MeanSquaredError())
    values = 8 * kernels.layers.numbers
    expected = {
        2**20: kernels.chunk_bytes / values,
        2**24: 2**24 / values,
        2**40: network.size,
    }
    assert 2**20 < 8 * network.size**2 < 2**22
    for most, rows in expected.items():
        monkeypatch.setattr(module, "MOST_BYTES", most)
        assert kernels.chunk_bytes / kernels.row_bytes(8) == pytest.approx(rows, rel=1e-3)
    assert sorted(expected.values()) == list(expected.values())


def test_bands_add_up(monkeypatch):
    """Of 16 rows each, against the whole chunk at once."""
    kernels, _, params, direction, rows = case_of(network_of((6, 6, 1), conv(2, 3)), rows=37)

    def everything():
        pieces = [(piece.rows @ piece.rows.T, piece.value) for piece in kernels.tables(params, *rows)]
        return [
            kernels.host_value(params, *rows),
            kernels.host_value_and_gradient(params, *rows),
            kernels.host_normal_equations(params, *rows),
            kernels.host_bend(params, direction, *rows),
            kernels.host_bent_residual(params, direction, *rows),
            kernels.host_outputs(params, rows[0]),
            *[sum(parts) for parts in zip(*pieces, strict=True)],
        ]

    whole = everything()
    monkeypatch.setattr(type(kernels.layers), "band_bytes", 13 * kernels._value_bytes(8))
    assert [len(band.weights) for band in kernels._all_bands(*rows)] == [16, 16, 5]
    assert_same(everything(), whole)


def test_bands_draw_each_from_a_key_of_its_own(monkeypatch):
    kernels, _, _, _, rows = case_of(
        network_of((6, 6, 1), conv(2, 3)), rows=37, loss=Projected(SPARSE, 1), targets="labels"
    )
    monkeypatch.setattr(type(kernels.layers), "band_bytes", 1)
    keys = [tuple(band.key) for band in kernels._all_bands(*rows, KEY)]
    assert keys == [(int(KEY[0]) + number, int(KEY[1])) for number in range(3)]


def test_signs_follow_from_the_key_alone():
    shape, dtype = (2, 10, 4000), np.dtype("float32")
    signs = random_signs(np.array([1, 2], np.int32), shape, dtype)
    assert set(np.unique(signs)) == {-1, 1}
    np.testing.assert_array_equal(signs, random_signs(np.array([1, 2], np.int32), shape, dtype))
    others = [random_signs(np.array(key, np.int32), shape, dtype) for key in ([2, 1], [1, 3])]
    # Of 80,000 products of independent signs the mean is 1 / 283 off.
    assert all(abs(np.mean(signs * other)) < 0.015 for other in others)
    flat = signs.reshape(20, -1)
    assert np.abs(flat @ flat.T / 4000 - np.eye(20)).max() < 0.08


def test_projections_are_the_curvature_on_average(rng):
    outputs = rng.normal(size=(4, 1)) * np.ones((1, 20000))
    projected, whole = (host_loss(loss) for loss in (Projected(SPARSE, 1), SPARSE))
    (column,) = projected.columns(outputs, None, np.asarray(KEY))
    exact = sum(np.outer(each, each) for each in whole.columns(outputs[:, :1], None, None))
    np.testing.assert_allclose(column @ column.T / 20000, exact, atol=4e-3)


@pytest.mark.parametrize(
    "change",
    [
        lambda: (network_of((4, 4, 1), conv(2, 2, activation="gelu")), MeanSquaredError()),
        lambda: (network_of((4, 4, 2), keras.layers.DepthwiseConv2D(2)), MeanSquaredError()),
        lambda: (network_of((4, 4, 1), conv(2, 2)), BinaryCrossentropy()),
        lambda: (network_of((4, 4, 1), conv(2, 2)), SquareRoot(BinaryCrossentropy())),
        lambda: (randomized(_shared()), MeanSquaredError()),
    ],
)
def test_what_is_not_known_is_compiled(change):
    assert host_kernels(*change()) is None


def _shared():
    layer = keras.layers.Conv2D(1, 1, dtype="float64")
    inputs = keras.Input((3, 3, 1), dtype="float64")
    return keras.Model(inputs, keras.layers.Flatten(dtype="float64")(layer(layer(inputs))))
