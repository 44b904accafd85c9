"""Fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import summed_positions, summed_products, with_bias

Tensor = Any


class Dense:
    """z = W^T x + b over the channels; d(c . z) / d(W, b) = (x outer c, c), summed over further axes."""

    bilinear = True

    def applies(self, layer: keras.Layer) -> bool:
        """Without low-rank adapters and quantization, which have further weights."""
        return bool(len(layer.weights) == 1 + layer.use_bias)

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[i, ..., rows] to [o, ..., rows]."""
        (values,) = inputs
        kernel = weights[0]
        if len(values.shape) == 2:
            product = tf.matmul(kernel, values, transpose_a=True)
        else:
            flat = tf.reshape(values, [values.shape[0], -1])
            product = tf.matmul(kernel, flat, transpose_a=True)
            product = tf.reshape(product, [kernel.shape[1], *values.shape[1:]])
        return with_bias(product, weights[1]) if layer.use_bias else product

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """[i, ..., rows] and [o, ..., rows] to [i o + o, rows]."""
        kernel = summed_products(inputs[0], cotangents)
        return tf.concat([kernel, summed_positions(cotangents)], axis=0) if layer.use_bias else kernel
