"""Convolutions as products with patches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import summed_positions, summed_products, with_bias

Tensor = Any


def windows(
    values: Tensor,
    size: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    *,
    filling: float = 0.0,
) -> list[Tensor]:
    """Cut out what each element of a window sees.

    Args:
        values: [channels, spatial..., rows].
        size: Of the window along each spatial axis.
        strides: From one window to the next.
        dilation: From one element of a window to the next.
        padding: `valid` or `same`, as TensorFlow pads: the larger half behind.
        filling: What `same` pads with.

    Returns:
        For each element of the window, the last axis running fastest, [channels, spatial'..., rows].
    """
    spatial = values.shape[1:-1]
    reach = [step * (extent - 1) + 1 for step, extent in zip(dilation, size, strict=True)]
    if padding == "same":
        counts = [-(-length // stride) for length, stride in zip(spatial, strides, strict=True)]
        missing = [
            max((count - 1) * stride + span - length, 0)
            for count, stride, span, length in zip(counts, strides, reach, spatial, strict=True)
        ]
        halves = [(total // 2, total - total // 2) for total in missing]
        values = tf.pad(values, [(0, 0), *halves, (0, 0)], constant_values=filling)
    else:
        counts = [
            (length - span) // stride + 1
            for length, span, stride in zip(spatial, reach, strides, strict=True)
        ]
    cuts = []
    for offsets in product(*(range(extent) for extent in size)):
        index = [slice(None)]
        for offset, step, count, stride in zip(offsets, dilation, counts, strides, strict=True):
            start = offset * step
            index.append(slice(start, start + stride * (count - 1) + 1, stride))
        cuts.append(values[(*index, slice(None))])
    return cuts


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
        return tf.concat(
            windows(values, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding), axis=0
        )

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, spatial..., rows] to [filters, spatial'..., rows]."""
        patches = self.patches(layer, inputs[0])
        size, *positions = patches.shape
        kernel = tf.reshape(weights[0], [size, -1])
        values = tf.matmul(kernel, tf.reshape(patches, [size, -1]), transpose_a=True)
        values = tf.reshape(values, [-1, *positions])
        return with_bias(values, weights[1]) if layer.use_bias else values

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [window channels filters + filters, rows]."""
        kernel = summed_products(self.patches(layer, inputs[0]), cotangents)
        return tf.concat([kernel, summed_positions(cotangents)], axis=0) if layer.use_bias else kernel
