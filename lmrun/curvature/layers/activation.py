"""Activations, as a layer's argument and as layers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless, keras_order, samples_first, samples_last

Tensor = Any

ELEMENTWISE = frozenset(
    {
        "linear", "tanh", "sigmoid", "relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "softplus",
        "softsign", "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid",
        "mish", "soft_shrink", "hard_shrink", "tanh_shrink", "sparse_plus", "sparse_sigmoid", "squareplus",
        "threshold",
    }
)  # fmt: skip
"""Activations of Keras that treat every element alike, whatever the layout."""


def is_elementwise(function: Any) -> bool:
    """Whether a function is one of Keras' that treat every element alike."""
    name = getattr(function, "__name__", "")
    return name in ELEMENTWISE and function is getattr(keras.activations, name)


def activate(function: Any, values: Tensor) -> Tensor:
    """Apply an activation; one that may look along an axis, such as softmax, sees Keras' layout."""
    return function(values) if is_elementwise(function) else samples_last(function(samples_first(values)))


class Activation(Parameterless):
    """y = f(x): the identity before the activation, which the evaluation applies after every rule."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        return inputs[0]


class Elementwise(Parameterless):
    """y = f(x) element by element, with a layer's arguments."""

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        return layer.call(inputs[0])


class PRelu:
    """y = max(x, 0) - alpha max(-x, 0); d(c . y) / d alpha = -max(-x, 0) c, summed over shared axes."""

    bilinear = False

    def applies(self, layer: keras.Layer) -> bool:
        """Always."""
        return True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] stays."""
        alpha = samples_last(weights[0][None])
        return tf.nn.relu(inputs[0]) - alpha * tf.nn.relu(-inputs[0])

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [parameters, rows]."""
        slopes = keras_order(-tf.nn.relu(-inputs[0]) * cotangents)
        shared = [axis - 1 for axis in layer.shared_axes or ()]
        return tf.reshape(tf.reduce_sum(slopes, axis=shared, keepdims=True), [-1, slopes.shape[-1]])
