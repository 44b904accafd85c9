"""Small models and rows of a program."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest


def dense(units, activation=None, dtype="float64", **settings):
    return keras.layers.Dense(units, activation=activation, dtype=dtype, **settings)


@pytest.fixture
def small():
    """Return a function that builds a network of 1-5-1, always with the same weights."""

    def build(dtype="float64", inputs=1, outputs=1, last=None):
        keras.utils.set_random_seed(3)
        layers = [dense(5, "tanh", dtype), dense(outputs, last, dtype)]
        return keras.Sequential([keras.Input((inputs,), dtype=dtype), *layers])

    return build


@pytest.fixture
def wave():
    """Rows of a sine."""
    x = np.linspace(-2, 2, 40)[:, None]
    return SimpleNamespace(x=x, y=np.sin(x))


@pytest.fixture
def two_inputs():
    """A functional model that reads an image and a vector, and rows for it."""
    keras.utils.set_random_seed(4)
    picture = keras.Input((3, 2, 1), name="picture", dtype="float64")
    vector = keras.Input((2,), name="vector", dtype="float64")
    left = keras.layers.Flatten(dtype="float64")(
        keras.layers.Conv2D(2, 2, activation="tanh", dtype="float64")(picture)
    )
    both = keras.layers.Concatenate(dtype="float64")([left, dense(3, "tanh")(vector)])
    rng = np.random.default_rng(5)
    images, vectors = rng.normal(size=(30, 3, 2, 1)), rng.normal(size=(30, 2))
    return SimpleNamespace(
        model=keras.Model([picture, vector], dense(1)(both)),
        x={"vector": vectors, "picture": images},
        y=np.sin(vectors[:, :1]) + images[:, 0, 0] * 0.5,
    )
