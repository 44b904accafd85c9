"""Tables of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import keras_order, summed_products

Tensor = Any


class Embedding:
    """y = E[x]; d(c . y) / dE[v] is c where x = v, summed over positions."""

    bilinear = False

    def applies(self, layer: keras.Layer) -> bool:
        """Without masks, adapters and quantization."""
        return not layer.mask_zero and len(layer.weights) == 1

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [width, ..., channels, rows]."""
        vectors = tf.gather(weights[0], _indices(inputs[0]))
        return tf.transpose(vectors, [len(vectors.shape) - 1, *range(len(vectors.shape) - 1)])

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [words width, rows]."""
        chosen = tf.one_hot(_indices(inputs[0]), weights[0].shape[0], axis=0, dtype=cotangents.dtype)
        return summed_products(chosen, cotangents)


def _indices(values: Tensor) -> Tensor:
    """In Keras' order, [..., channels, rows]."""
    return tf.cast(keras_order(values), tf.int32)
