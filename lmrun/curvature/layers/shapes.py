"""Layers without parameters that move values, or leave them as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import (
    Parameterless,
    channels_first,
    keras_order,
    samples_first,
    samples_last,
)

Tensor = Any


class Identity(Parameterless):
    """y = x: dropout and noise in inference mode, and layers that only regularize."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """As it is."""
        return inputs[0]


class Reshape(Parameterless):
    """In Keras' order, where the channel runs fastest."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [channels', ...', rows]."""
        (values,) = inputs
        target = [-1 if size is None else size for size in layer.target_shape]
        return channels_first(tf.reshape(keras_order(values), [*target, values.shape[-1]]))


class Flatten(Parameterless):
    """In Keras' order, where the channel runs fastest."""

    bilinear = True

    def applies(self, layer: keras.Layer) -> bool:
        """Channels last."""
        return bool(layer.data_format == "channels_last")

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [... channels, rows]."""
        (values,) = inputs
        return tf.reshape(keras_order(values), [-1, values.shape[-1]])


class InKerasLayout(Parameterless):
    """Keras computes between two exchanges of the axes.

    Args:
        linear: Whether the layer is linear in its input.
    """

    def __init__(self, *, linear: bool) -> None:
        self.bilinear = linear

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [channels', ...', rows]."""
        return samples_last(layer(samples_first(inputs[0])))
