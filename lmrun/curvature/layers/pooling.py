"""Pooling layers: a maximum or a mean over windows or over all positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless
from lmrun.curvature.layers.patches import windows

Tensor = Any


class Pooling(Parameterless):
    """What pooling layers share."""

    def applies(self, layer: keras.Layer) -> bool:
        """Channels last."""
        return bool(layer.data_format == "channels_last")

    def cuts(self, layer: keras.Layer, values: Tensor, filling: float) -> list[Tensor]:
        """Cut out the elements of a window, each [channels, spatial'..., rows]."""
        size = layer.pool_size
        return windows(values, size, layer.strides, [1] * len(size), layer.padding, filling=filling)


class MaxPooling(Pooling):
    """The largest element of each window; of equal ones the first has the derivative, as in TensorFlow."""

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [channels, spatial'..., rows]."""
        return reduce(tf.maximum, self.cuts(layer, inputs[0], inputs[0].dtype.min))


class AveragePooling(Pooling):
    """The mean of each window; what `same` pads does not count."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [channels, spatial'..., rows]."""
        (values,) = inputs
        real = tf.ones([1, *values.shape[1:-1], 1], values.dtype)
        counts = tf.add_n(self.cuts(layer, real, 0.0))
        return tf.add_n(self.cuts(layer, values, 0.0)) / counts


class GlobalPooling(Parameterless):
    """What global pooling layers share."""

    def applies(self, layer: keras.Layer) -> bool:
        """Channels last."""
        return bool(layer.data_format == "channels_last")

    def axes(self, values: Tensor) -> list[int]:
        """Return the spatial axes."""
        return list(range(1, len(values.shape) - 1))


class GlobalMaxPooling(GlobalPooling):
    """The largest element of each channel."""

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [channels, rows], or [channels, 1..., rows]."""
        return tf.reduce_max(inputs[0], axis=self.axes(inputs[0]), keepdims=layer.keepdims)


class GlobalAveragePooling(GlobalPooling):
    """The mean of each channel."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [channels, rows], or [channels, 1..., rows]."""
        return tf.reduce_mean(inputs[0], axis=self.axes(inputs[0]), keepdims=layer.keepdims)
