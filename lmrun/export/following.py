"""The calls of a model that is to be written by hand, by the names of what is called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import UsageError
from lmrun.models.arguments import PLACE
from lmrun.models.calls import NotFollowedError, Recording, Use
from lmrun.models.formula import Formula

Array = NDArray[np.floating]

PASSING = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity"),
)
"""Layers that do nothing but in training."""
AFFINE = ("Rescaling", "Normalization", "BatchNormalization")
"""Layers that are y = scale x + offset, see `affine_maps`."""
ACTIVATIONS = ("Activation", "ReLU", "ELU", "Softmax")
"""Layers that are a function, see `activation_of`."""


class UnknownLayerError(UsageError):
    """One format does not know something; others may.

    Args:
        what: It, as the subject of a sentence.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} cannot be written in this format. Try --format keras or savedmodel.")


@dataclass(frozen=True)
class Vocabulary:
    """What a format knows.

    Attributes:
        layers: See `kind_of`.
        functions: Names of activations; None for any.
    """

    layers: Collection[str]
    functions: Collection[str] | None = None


def follow(model: Any, known: Vocabulary) -> Recording:
    """Record the calls of a model.

    Args:
        model: A Sequential or functional Keras model.
        known: What the format knows.

    Raises:
        UnknownLayerError: The model is no chain or graph of layers, or has something that is not known.
    """
    try:
        recording = Recording(model)
    except NotFollowedError as reason:
        raise UnknownLayerError(f"A model that cannot be taken apart, because {reason},") from reason
    for use in recording.uses:
        kind = kind_of(use)
        if kind not in known.layers:
            raise UnknownLayerError(f"A layer {kind}")
        if not (use.arguments.plain or (kind.startswith("ops.") and _of_numbers(use))):
            raise UnknownLayerError(f"{kind} with such arguments")
        name = activation_of(use.layer)
        if known.functions is not None and name not in known.functions:
            raise UnknownLayerError(f"The activation {name}")
    return recording


def kind_of(use: Use) -> str:
    """Return the name of a layer's class in `keras.layers`, or that of an operation as in `ops.Add`.

    A user's own class has no name by which it could be taken for one of Keras'.
    """
    import keras

    name = type(use.layer).__name__
    if not isinstance(use.layer, keras.Layer):
        return f"ops.{name}"
    return name if type(use.layer) in {getattr(keras.layers, name, None), Formula} else f"{name} of your own"


def _leaves(use: Use) -> list[Any]:
    import keras

    return list(keras.tree.flatten(use.arguments.structure))


def _of_numbers(use: Use) -> bool:
    return all(leaf is PLACE or isinstance(leaf, int | float) for leaf in _leaves(use))


def input_names(model: Any) -> list[str]:
    """Return `x` for an only input, and for several the names that they have in Keras."""
    return ["x"] if len(model.inputs) == 1 else [str(value.name) for value in model.inputs]


def output_names(model: Any) -> list[str]:
    """Return `y`, or `y1`, `y2`, ... for several outputs; `target` where an input's name begins with y."""
    stem = "target" if any(name.startswith("y") for name in input_names(model)) else "y"
    count = len(model.outputs)
    return [stem] if count == 1 else [f"{stem}{place + 1}" for place in range(count)]


def precision_of(model: Any) -> np.dtype[Any]:
    """Return the floating-point type of a model's weights."""
    variables = model.trainable_variables or model.inputs
    return np.dtype(str(variables[0].dtype))


def arguments_of(use: Use, values: Sequence[Any]) -> list[Any]:
    """Return what a call reads: values, and numbers between them."""
    if kind_of(use) == "LeakyReLU":
        # TensorFlow rounds the slope to float32, in float64 too.
        return [*values, float(np.float32(use.layer.negative_slope))]
    remaining = iter(values)
    return [next(remaining) if leaf is PLACE else float(leaf) for leaf in _leaves(use)]


def activation_of(layer: Any) -> str:
    """Return the name of the function that a layer is, or ends in; `linear` where there is none.

    Raises:
        UsageError: A layer of a function has other arguments than the function.
    """
    import keras

    kind = type(layer).__name__
    if kind == "ReLU":
        plain = (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)
    else:
        plain = (kind, getattr(layer, "alpha", 1), getattr(layer, "axis", -1)) in {
            ("ELU", 1, -1),
            ("Softmax", 1, -1),
        }
    if plain:
        return kind.lower()
    function = getattr(layer, "activation", None)
    if function is None and kind in ACTIVATIONS:
        raise UnknownLayerError(f"{kind} with such arguments")
    if function is None:
        return "linear"
    name = str(getattr(function, "__name__", type(function).__name__))
    # A user's own function may be called like one of Keras'.
    return name if function is getattr(keras.activations, name, None) else f"{name} of your own"


def affine_maps(layer: Any, dtype: Any) -> list[tuple[Array, Array]]:
    """Return scales and offsets that a layer applies one after the other, each [] or [channels].

    Raises:
        UsageError: It normalizes along another axis than the last one.
    """
    import keras

    kind = type(layer).__name__
    if kind == "Rescaling":
        return [(np.asarray(layer.scale, dtype), np.asarray(layer.offset, dtype))]
    one, zero = np.ones((), dtype), np.zeros((), dtype)
    if kind == "BatchNormalization":
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        scale = (one if layer.gamma is None else np.asarray(layer.gamma)) / np.sqrt(variance + layer.epsilon)
        offset = zero if layer.beta is None else np.asarray(layer.beta)
        last, maps = layer.axis in {-1, layer.input_spec.ndim - 1}, [(one, -mean), (scale, offset)]
    else:
        mean, variance = np.asarray(layer.mean, dtype), np.asarray(layer.variance, dtype)
        last, mean = max(mean.shape[:-1], default=1) == 1, mean.ravel()
        deviation = np.maximum(np.sqrt(variance.ravel()), np.asarray(keras.config.epsilon(), dtype))
        maps = [(deviation, mean)] if layer.invert else [(one, -mean), (one / deviation, zero)]
    if not last:
        raise UnknownLayerError(f"A layer {kind} along another axis than the last")
    return [(np.asarray(scale, dtype), np.asarray(offset, dtype)) for scale, offset in maps]
