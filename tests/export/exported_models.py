"""Models of every kind that is exported, and how near an export has to come."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from lmrun.config.expression import ARITY, CANONICAL
from lmrun.export.c_header import ACTIVATIONS
from lmrun.models.formula import Formula
from lmrun.models.network import sequential

TOLERANCE = {"float64": 1e-12, "float32": 1e-6}
"""Of the largest output."""
PRECISIONS = pytest.mark.parametrize("dtype", TOLERANCE)


def draw(model: keras.Model, rng: np.random.Generator, rows: int = 20) -> list[np.ndarray]:
    """Inputs of a model between 0.1 and 1, where every function is defined."""
    shapes = [(rows, *one.shape[1:]) for one in model.inputs]
    return [rng.uniform(0.1, 1, shape).astype(model.inputs[0].dtype) for shape in shapes]


def outputs_of(model: keras.Model, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What Keras makes of them."""
    names = [one.name for one in model.inputs]
    given = inputs[0] if len(inputs) == 1 else dict(zip(names, inputs, strict=True))
    return [np.asarray(one) for one in keras.tree.flatten(model(given))]


def assert_near(made: np.ndarray, expected: Any, dtype: str | None = None) -> None:
    """Compare outputs [rows, outputs], each column by its own size."""
    expected = np.asarray(expected)
    assert made.shape == expected.shape
    sizes = np.abs(expected).max(axis=0)
    assert np.all(np.isfinite(sizes))
    tolerance = TOLERANCE[dtype or str(expected.dtype)]
    assert np.max(np.abs(made - expected) / sizes) <= tolerance


def normalized(layers: Sequence[keras.Layer], shape: tuple[int, ...], dtype: str, rng: np.random.Generator):
    """A network between the layers of the normalization, as `lmrun.models.export` makes them."""
    shift, scale = rng.normal(size=shape[-1]), rng.uniform(0.5, 2, shape[-1])
    before = [
        keras.layers.Rescaling(1.0, offset=-shift, dtype=dtype),
        keras.layers.Rescaling(1.0 / scale, dtype=dtype),
    ]
    model = sequential(
        [*before, *layers, keras.layers.Rescaling(3.0, offset=-1.0, dtype=dtype)], shape, dtype
    )
    model.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in model.get_weights()])
    return model


def mlp(dtype: str, rng: np.random.Generator):
    """A network with every activation."""
    layers: list[keras.Layer] = []
    for place, activation in enumerate(ACTIVATIONS):
        layers.append(keras.layers.Dense(4, use_bias=place != 1, dtype=dtype))
        layers.append(keras.layers.Activation(activation, dtype=dtype))
    return normalized([*layers, keras.layers.Dense(2, dtype=dtype)], (3,), dtype, rng)


def cnn(dtype: str, rng: np.random.Generator):
    """Convolutions and poolings of both paddings, with sizes and strides that do not divide the image."""
    layers = keras.layers
    parts = [
        layers.Conv2D(3, (3, 2), padding="same", strides=2, dtype=dtype),
        layers.Activation("tanh", dtype=dtype),
        layers.MaxPooling2D(2, strides=1, padding="same", dtype=dtype),
        layers.Conv2D(4, (2, 3), use_bias=False, dtype=dtype),
        layers.Activation("softplus", dtype=dtype),
        layers.AveragePooling2D((2, 3), strides=(1, 2), padding="same", dtype=dtype),
        layers.AveragePooling2D(2, dtype=dtype),
        layers.Flatten(dtype=dtype),
        layers.Dense(3, dtype=dtype),
    ]
    return normalized(parts, (9, 11, 2), dtype, rng)


def functional(dtype: str, rng: np.random.Generator):
    """A graph of two inputs and two outputs, with every way to join values, and a model inside."""
    layers, kind = keras.layers, {"dtype": dtype}
    a, b = keras.Input((2,), name="a", **kind), keras.Input((1,), name="b", **kind)
    normalization = layers.Normalization(**kind)
    normalization.adapt(rng.normal(size=(9, 2)) * 3 + 1)
    h = layers.Dense(4, activation="tanh", **kind)(normalization(a))
    g = layers.BatchNormalization(**kind)(layers.Dense(4, activation="softplus", **kind)(b))
    s = layers.Add(**kind)([layers.Multiply(**kind)([h, g]), h, g])
    u = layers.Average(**kind)([layers.Subtract(**kind)([s, g]), h, g])
    w = layers.Minimum(**kind)([layers.Maximum(**kind)([u, h]), g])
    c = layers.Concatenate(**kind)([w, b, layers.Reshape((4,), **kind)(s)])
    c = layers.LeakyReLU(0.2, **kind)(layers.Dropout(0.3, **kind)(c))
    o = (1 + keras.ops.tanh(c) * 2.0 - 0.5) / (2.0 + c**2) + keras.ops.abs(-c) * b
    inner = [layers.Dense(5, **kind), layers.ReLU(**kind), layers.Dense(3, activation="softmax", **kind)]
    model = keras.Model([a, b], [layers.Dense(2, **kind)(o), sequential(inner, (9,), dtype)(o)])
    # Variances are positive.
    for layer in model.layers:
        positive = isinstance(layer, keras.layers.BatchNormalization)
        drawn = [rng.normal(size=weight.shape) * 0.5 for weight in layer.get_weights()]
        if layer is not normalization:
            layer.set_weights([np.abs(one) if positive else one for one in drawn])
    return model


def formula(expression: str | Sequence[str], columns: Sequence[str], dtype: str = "float64", **options: Any):
    layer = Formula(expression, columns, dtype=dtype, name="formula", **options)
    return sequential([layer], (len(columns),), dtype)


def every_function(dtype: str):
    """A formula with every function and operator of the grammar; its inputs are between 0.1 and 1."""
    single = [name for name in CANONICAL if ARITY[name] == 1 and name != "arccosh"]
    # Within the domain of each, and on both sides of zero where it has two.
    texts = [f"{name}(0.1 + 0.8*x)" for name in single] + ["arccosh(1.5 + x)", "arctan2(x - 0.5, t)"]
    texts += [f"{name}(0.8*(x - t))" for name in single if "log" not in name and name != "sqrt"]
    texts += [f"{name}(0.001*x)" for name in ("expm1", "log1p", "sinh", "arcsinh", "arctanh", "erf")]
    texts += ["arctan2(x - 0.5, -t)", "arctan(1000*(x - t))", "erf(9*(x - t))", "expm1(4*(x - t))"]
    texts += [
        "-x**3 + a*x**0.5 - 1e-3/(t + 2)**2 + 2**t",
        "pi*(x - t)/-3 + 1e20*b*1e-20",
        "c - x**0 + (-x)**2",
        "a + exp(b)",
        "3",
    ]
    options = {"parameters": {"a": 0.3, "b": -2.0}, "fixed": {"unused": 7.0}, "ties": {"c": "exp(a) - b"}}
    return formula(texts, ["x", "t", "idle"], dtype, **options)
