"""Normalization layers in inference mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless, per_channel, samples_last, summed_positions

Tensor = Any


class ScaledAndShifted:
    """y = gamma u(x) + beta per channel; d(c . y) / d(gamma, beta) = (u c, c), summed over positions.

    A subclass says what u is.
    """

    bilinear = False

    def normalized(self, layer: keras.Layer, values: Tensor) -> Tensor:
        """Return u [channels, ..., rows]."""
        raise NotImplementedError

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        values = self.normalized(layer, inputs[0])
        left = list(weights)
        if layer.scale:
            values *= per_channel(left.pop(0), values)
        return values + per_channel(left.pop(0), values) if layer.center else values

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [parameters, rows]."""
        slabs = []
        if layer.scale:
            slabs.append(summed_positions(self.normalized(layer, inputs[0]) * cotangents))
        if layer.center:
            slabs.append(summed_positions(cotangents))
        return tf.concat(slabs, axis=0)


class BatchNormalization(ScaledAndShifted):
    """u = (x - mean) / sqrt(variance + epsilon) with the moving statistics, which are no parameters."""

    def applies(self, layer: keras.Layer) -> bool:
        """Along the last axis."""
        return layer.axis in (-1, len(layer.input.shape) - 1)

    def normalized(self, layer: keras.Layer, values: Tensor) -> Tensor:
        """[channels, ..., rows]."""
        mean, variance = (
            per_channel(tf.cast(tf.convert_to_tensor(statistic), values.dtype), values)
            for statistic in (layer.moving_mean, layer.moving_variance)
        )
        return (values - mean) * tf.math.rsqrt(variance + layer.epsilon)


class LayerNormalization(ScaledAndShifted):
    """u = (x - mean) / sqrt(variance + epsilon), both over the channels of one position of one sample."""

    def applies(self, layer: keras.Layer) -> bool:
        """Along the last axis."""
        last = len(layer.input.shape) - 1
        return layer.axis in (-1, last, [-1], [last]) and not layer.rms_scaling

    def normalized(self, layer: keras.Layer, values: Tensor) -> Tensor:
        """[channels, ..., rows]."""
        return standardized(values, [0], layer.epsilon)


class GroupNormalization(ScaledAndShifted):
    """u = (x - mean) / sqrt(variance + epsilon), both over a group of channels at all positions."""

    def applies(self, layer: keras.Layer) -> bool:
        """Groups of the last axis."""
        return layer.axis in (-1, len(layer.input.shape) - 1)

    def normalized(self, layer: keras.Layer, values: Tensor) -> Tensor:
        """[channels, ..., rows]."""
        groups = tf.reshape(values, [layer.groups, -1, values.shape[-1]])
        return tf.reshape(standardized(groups, [1], layer.epsilon), values.shape)


def standardized(values: Tensor, axes: list[int], epsilon: float) -> Tensor:
    """Return (x - mean) / sqrt(variance + epsilon) over some axes.

    `tf.nn.moments` holds the mean constant within the variance, which leaves the first derivative as it is
    but not the second.
    """
    centred = values - tf.reduce_mean(values, axis=axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=axes, keepdims=True)
    return centred * tf.math.rsqrt(variance + epsilon)


class Normalization(Parameterless):
    """y = (x - mean) / max(sqrt(variance), epsilon), or its inverse, with statistics of the data."""

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        (values,) = inputs
        mean, variance = (
            samples_last(tf.convert_to_tensor(statistic, values.dtype))
            for statistic in (layer.mean, layer.variance)
        )
        deviation = tf.maximum(tf.sqrt(variance), keras.config.epsilon())
        return mean + values * deviation if layer.invert else (values - mean) / deviation


class Rescaling(Parameterless):
    """y = scale x + offset, each one number or one per channel."""

    def applies(self, layer: keras.Layer) -> bool:
        """Up to one axis, which is then the channels'."""
        return np.ndim(layer.scale) <= 1 and np.ndim(layer.offset) <= 1

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        (values,) = inputs
        # Keras' own cast, which rounds a Python number to float32, as the saved model will.
        scale, offset = (
            per_channel(keras.ops.cast(number, values.dtype.name), values)
            for number in (layer.scale, layer.offset)
        )
        return values * scale + offset
