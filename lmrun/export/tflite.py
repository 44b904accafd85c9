"""TFLite: a model for LiteRT, in single precision, from operators that every build of it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from lmrun.export.following import (
    ACTIVATIONS,
    AFFINE,
    PASSING,
    Vocabulary,
    activation_of,
    affine_maps,
    arguments_of,
    follow,
    input_names,
    kind_of,
    output_names,
)
from lmrun.export.functions import ACTIVATIONS as FUNCTIONS
from lmrun.export.functions import Functions, Value
from lmrun.export.joining import JOINING
from lmrun.export.stages import formula_of
from lmrun.models.calls import Use
from lmrun.models.network import stateless

PRECISION = "float32"
"""LiteRT multiplies no matrices of float64."""


def tflite_model(model: Any) -> bytes:
    """Convert a model; its input `x` is [rows, ...], one row unless a caller resizes it, its output `y`.

    Several inputs have the names that they have in Keras; several outputs are `y1`, `y2`, ...

    Raises:
        UsageError: It has a layer, or an activation, that is not known here.
    """
    import tensorflow as tf

    recording = follow(model, KNOWN)
    functions, shapes = _functions(), [tuple(value.shape) for value in model.inputs]
    steps: list[tuple[Use, Callable[..., Value]]] = []
    for use in recording.uses:
        steps.append((use, LAYERS[kind_of(use)](functions, use, shapes[use.sources[0]])))
        shapes.append(use.shape)
    names = output_names(model)

    def predict(*inputs: Value) -> dict[str, Value]:
        values = list(inputs)
        for use, step in steps:
            values.append(step(*(values[number] for number in use.sources)))
        return {name: values[number] for name, number in zip(names, recording.results, strict=True)}

    signature = [
        tf.TensorSpec(value.shape, PRECISION, name=name)
        for name, value in zip(input_names(model), model.inputs, strict=True)
    ]
    function = tf.function(predict, autograph=False).get_concrete_function(*signature)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert())


def _layer(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    """A layer that reads values of a shape, [rows, ...], in single precision and with constant weights.

    Files with variables are converted too, but LiteRT reads those of convolutions before they are there.
    """
    import tensorflow as tf

    layer = use.layer
    config = {**layer.get_config(), "dtype": PRECISION}
    name = activation_of(layer)
    # The converter knows some functions only, and loses digits in others.
    copy = type(layer).from_config({**config, "activation": None} if name != "linear" else config)
    copy.build(shape)
    weights = [tf.constant(weight, PRECISION) for weight in layer.get_weights()]
    linear = partial(stateless, copy, weights)
    return linear if name == "linear" else lambda x: functions(name, linear(x))


def _merge(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    """Several values in a row."""
    import tensorflow as tf

    axis = use.layer.axis
    return lambda *values: tf.concat(values, axis)


def _affine(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    import tensorflow as tf

    maps = [tf.constant(part, PRECISION) for pair in affine_maps(use.layer, PRECISION) for part in pair]

    def scaled(x: Value) -> Value:
        for scale, offset in zip(maps[::2], maps[1::2], strict=True):
            x = x * scale + offset
        return x

    return scaled


def _activation(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    return partial(functions, activation_of(use.layer))


def _passing(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    return lambda x: x


def _joined(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    join = JOINING[kind_of(use)]
    return lambda *values: join(functions, *arguments_of(use, values))


def _formula(functions: Functions, use: Use, shape: tuple[Any, ...]) -> Callable[..., Value]:
    import tensorflow as tf

    formula = formula_of(use.layer)

    def columns(x: Value) -> Value:
        inputs = tf.split(x, x.shape[1], axis=1)
        made = formula.expressions.outputs(formula.values, inputs, functions)
        # A response without a column is the same for every row.
        rows = tf.shape(inputs[0])
        return tf.concat([tf.broadcast_to(functions.number(response), rows) for response in made], axis=1)

    return columns


def _functions() -> Functions:
    import tensorflow as tf

    names = ("exp", "log", "sqrt", "abs", "sign", "sin", "cos", "tanh", "sigmoid")
    others = {
        "relu": tf.nn.relu,
        "elu": tf.nn.elu,
        "softmax": tf.nn.softmax,
        "gelu": lambda x: tf.nn.gelu(x, approximate=False),
        # The operator wants both of one shape.
        "arctan2": lambda y, x: tf.math.atan2(y + tf.zeros_like(x), x + tf.zeros_like(y)),
        "where": tf.where,
    }
    return Functions(
        {**{name: getattr(tf.math, name) for name in names}, **others},
        lambda value: value if tf.is_tensor(value) else tf.constant(value, PRECISION),
    )


Writer = Callable[[Functions, Use, tuple[Any, ...]], Callable[..., Value]]

AS_IT_IS = ("Dense", "Conv2D", "MaxPooling2D", "AveragePooling2D", "Flatten", "Reshape")
"""Keras layers that the converter knows."""

LAYERS: Mapping[str, Writer] = MappingProxyType(
    {
        **dict.fromkeys(AS_IT_IS, _layer),
        **dict.fromkeys(AFFINE, _affine),
        **dict.fromkeys(ACTIVATIONS, _activation),
        **dict.fromkeys(PASSING, _passing),
        **dict.fromkeys(JOINING, _joined),
        **dict.fromkeys(("Concatenate", "ops.Concatenate"), _merge),
        "Formula": _formula,
    }
)
"""By the name of what is called, see `following.kind_of`."""

KNOWN = Vocabulary(LAYERS, FUNCTIONS)
