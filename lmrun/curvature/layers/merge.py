"""Layers that join several values into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless, channels_first, keras_order

Tensor = Any


class Merge(Parameterless):
    """y = (x_1 o x_2) o x_3 ..., element by element.

    Args:
        operation: The o.
        linear: Whether y is linear in all x together.
    """

    def __init__(self, operation: Callable[[Tensor, Tensor], Tensor], *, linear: bool) -> None:
        self.operation = operation
        self.bilinear = linear

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] each; one of fewer axes meets the last axes of Keras' order."""
        most = max(len(values.shape) for values in inputs)
        return reduce(self.operation, (_spread(values, most) for values in inputs))


def _spread(values: Tensor, rank: int) -> Tensor:
    """Insert axes of length one in front of a sample in Keras' order."""
    missing = rank - len(values.shape)
    if not missing:
        return values
    ordered = keras_order(values)
    return channels_first(tf.reshape(ordered, [1] * missing + ordered.shape))


class Average(Merge):
    """The mean of all values."""

    def __init__(self) -> None:
        super().__init__(tf.add, linear=True)

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] each."""
        return super().forward(layer, weights, inputs) / len(inputs)


class Concatenate(Parameterless):
    """One behind the other along an axis."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Keras' last axis is the first one here."""
        last = len(inputs[0].shape) - 1
        axis = layer.axis % (last + 1)
        return tf.concat(list(inputs), axis=0 if axis == last else axis)
