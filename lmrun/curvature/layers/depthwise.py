"""Convolutions that filter every channel by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import summed_positions, summed_products, with_bias
from lmrun.curvature.layers.patches import windows

Tensor = Any


class Depthwise:
    """z[c m] = sum over w of K[w, c, m] x_w[c] + b; d(c . z) / dK[w, c, m] = x_w[c] c[c m], summed.

    x_w is what the window's element w sees, m the multiplier; the sum is over positions.
    """

    bilinear = True

    def applies(self, layer: keras.Layer) -> bool:
        """Channels last, no adapters, and a padding that looks at no future."""
        return (
            layer.data_format == "channels_last"
            and layer.padding in ("valid", "same")
            and len(layer.weights) == 1 + layer.use_bias
        )

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [channels multiplier, spatial'..., rows]."""
        values = filtered(layer, weights[0], inputs[0])
        return with_bias(values, weights[1]) if layer.use_bias else values

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [window channels multiplier (+ channels multiplier), rows]."""
        kernel = kernel_block(layer, inputs[0], cotangents)
        return tf.concat([kernel, summed_positions(cotangents)], axis=0) if layer.use_bias else kernel


class Separable:
    """z = P^T y + b at every position, y being the depthwise convolution with K.

    d(c . z) / d(K, P, b) = (x_w outer P c, y outer c, c), summed over positions.
    """

    bilinear = False

    def applies(self, layer: keras.Layer) -> bool:
        """Channels last, no adapters, and a padding that looks at no future."""
        return (
            layer.data_format == "channels_last"
            and layer.padding in ("valid", "same")
            and len(layer.weights) == 2 + layer.use_bias
        )

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [filters, spatial'..., rows]."""
        values = _mixed(_matrix(weights[1]), filtered(layer, weights[0], inputs[0]), transpose=True)
        return with_bias(values, weights[2]) if layer.use_bias else values

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [window channels multiplier + channels multiplier filters (+ filters), rows]."""
        depthwise = kernel_block(layer, inputs[0], _mixed(_matrix(weights[1]), cotangents, transpose=False))
        pointwise = summed_products(filtered(layer, weights[0], inputs[0]), cotangents)
        bias = [summed_positions(cotangents)] if layer.use_bias else []
        return tf.concat([depthwise, pointwise, *bias], axis=0)


def _cuts(layer: keras.Layer, values: Tensor) -> list[Tensor]:
    """For each element of the window [channels, spatial'..., rows]."""
    rank = len(values.shape) - 2
    strides, dilation = (
        (value,) * rank if isinstance(value, int) else value for value in (layer.strides, layer.dilation_rate)
    )
    return windows(values, layer.kernel_size, strides, dilation, layer.padding)


def filtered(layer: keras.Layer, kernel: Tensor, values: Tensor) -> Tensor:
    """Filter channel by channel.

    Args:
        layer: Has the geometry.
        kernel: [window..., channels, multiplier].
        values: [channels, spatial..., rows].

    Returns:
        [channels multiplier, spatial'..., rows].
    """
    cuts = _cuts(layer, values)
    shape = [len(cuts), *kernel.shape[-2:]] + [1] * (len(values.shape) - 1)
    total = tf.add_n(
        [part * cut[:, None] for part, cut in zip(tf.unstack(tf.reshape(kernel, shape)), cuts, strict=True)]
    )
    return tf.reshape(total, [-1, *total.shape[2:]])


def kernel_block(layer: keras.Layer, values: Tensor, cotangents: Tensor) -> Tensor:
    """Return the block of the kernel of `filtered`, [window channels multiplier, rows]."""
    channels = values.shape[0]
    cotangents = tf.reshape(cotangents, [channels, -1, *cotangents.shape[1:]])
    slabs = [summed_positions(_merged(cut[:, None] * cotangents)) for cut in _cuts(layer, values)]
    return tf.concat(slabs, axis=0)


def _merged(values: Tensor) -> Tensor:
    """[channels, multiplier, ...] to [channels multiplier, ...]."""
    return tf.reshape(values, [-1, *values.shape[2:]])


def _matrix(kernel: Tensor) -> Tensor:
    """[1..., channels multiplier, filters] to [channels multiplier, filters]."""
    return tf.reshape(kernel, kernel.shape[-2:])


def _mixed(matrix: Tensor, values: Tensor, *, transpose: bool) -> Tensor:
    """Multiply the channels [k, positions..., rows] by a matrix, or by its transpose."""
    product = tf.matmul(matrix, tf.reshape(values, [values.shape[0], -1]), transpose_a=transpose)
    return tf.reshape(product, [-1, *values.shape[1:]])
