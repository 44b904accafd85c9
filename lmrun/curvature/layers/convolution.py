"""Convolutions as products with patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import summed_positions, summed_products, with_bias
from lmrun.curvature.layers.patches import patches

Tensor = Any


class Convolution:
    """z = K^T patches + b; d(c . z) / d(K, b) = (patches outer c, c), summed over positions.

    For Conv1D, Conv2D and Conv3D with strides, dilation and either padding.
    """

    bilinear = True

    def applies(self, layer: keras.Layer) -> bool:
        """One group, channels last, no adapters, and a padding that looks at no future."""
        return (
            layer.groups == 1
            and layer.data_format == "channels_last"
            and layer.padding in ("valid", "same")
            and len(layer.weights) == 1 + layer.use_bias
        )

    def patches(self, layer: keras.Layer, values: Tensor) -> Tensor:
        """[channels, spatial..., rows] to [window channels, spatial'..., rows]."""
        return patches(values, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [filters, spatial'..., rows]."""
        seen = self.patches(layer, inputs[0])
        size, *positions = seen.shape
        kernel = tf.reshape(weights[0], [size, -1])
        values = tf.matmul(kernel, tf.reshape(seen, [size, -1]), transpose_a=True)
        values = tf.reshape(values, [-1, *positions])
        return with_bias(values, weights[1]) if layer.use_bias else values

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [window channels filters + filters, rows]."""
        kernel = summed_products(self.patches(layer, inputs[0]), cotangents)
        return tf.concat([kernel, summed_positions(cotangents)], axis=0) if layer.use_bias else kernel
