"""TFLite: a model for LiteRT, in single precision, from operators that every build of it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from lmrun.export.functions import Functions, Value
from lmrun.export.stages import check_layers, formula_of
from lmrun.models.network import stateless

PRECISION = "float32"
"""LiteRT multiplies no matrices of float64."""


def tflite_model(model: Any) -> bytes:
    """Convert a model; its input `x` is [rows, ...], one row unless a caller resizes it, its output `y`.

    Raises:
        UsageError: It has a layer, or an activation, that is not known here.
    """
    import tensorflow as tf

    check_layers(model, (*AS_IT_IS, *OWN))
    functions, shape = _functions(), tuple(model.input_shape)
    steps: list[Callable[[Value], Value]] = []
    for layer in model.layers:
        own = OWN.get(type(layer).__name__)
        steps.append(own(functions, layer) if own else _layer(layer, shape))
        shape = tuple(layer.compute_output_shape(shape))

    def predict(x: Value) -> dict[str, Value]:
        for step in steps:
            x = step(x)
        return {"y": x}

    signature = tf.TensorSpec(model.input_shape, PRECISION, name="x")
    function = tf.function(predict, autograph=False).get_concrete_function(signature)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert())


def _layer(layer: Any, shape: tuple[Any, ...]) -> Callable[[Value], Value]:
    """A layer that reads values of a shape, [rows, ...], in single precision and with constant weights.

    Files with variables are converted too, but LiteRT reads those of convolutions before they are there.
    """
    import tensorflow as tf

    copy = type(layer).from_config({**layer.get_config(), "dtype": PRECISION})
    copy.build(shape)
    weights = [tf.constant(weight, PRECISION) for weight in layer.get_weights()]
    return partial(stateless, copy, weights)


def _functions() -> Functions:
    import tensorflow as tf

    names = ("exp", "log", "sqrt", "abs", "sign", "sin", "cos", "tanh", "sigmoid")
    others = {
        "relu": tf.nn.relu,
        "elu": tf.nn.elu,
        "gelu": lambda x: tf.nn.gelu(x, approximate=False),
        # The operator wants both of one shape.
        "arctan2": lambda y, x: tf.math.atan2(y + tf.zeros_like(x), x + tf.zeros_like(y)),
        "where": tf.where,
    }
    return Functions(
        {**{name: getattr(tf.math, name) for name in names}, **others},
        lambda value: value if tf.is_tensor(value) else tf.constant(value, PRECISION),
    )


def _activation(functions: Functions, layer: Any) -> Callable[[Value], Value]:
    return partial(functions, layer.activation.__name__)


def _formula(functions: Functions, layer: Any) -> Callable[[Value], Value]:
    import tensorflow as tf

    formula = formula_of(layer)

    def columns(x: Value) -> Value:
        inputs = tf.split(x, x.shape[1], axis=1)
        made = formula.expressions.outputs(formula.values, inputs, functions)
        # A response without a column is the same for every row.
        rows = tf.shape(inputs[0])
        return tf.concat([tf.broadcast_to(functions.number(response), rows) for response in made], axis=1)

    return columns


AS_IT_IS = ("Rescaling", "Dense", "Conv2D", "MaxPooling2D", "AveragePooling2D", "Flatten")
"""Keras layers that the converter knows."""

OWN: Mapping[str, Callable[[Functions, Any], Callable[[Value], Value]]] = MappingProxyType(
    {"Activation": _activation, "Formula": _formula}
)
"""Those that need functions that it does not know, or that lose digits in it."""
