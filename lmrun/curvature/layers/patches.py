"""What the windows of a convolution see, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import tensorflow as tf

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
    padded = _padded(values, size, strides, dilation, filling) if padding == "same" else values
    return _cut(padded, size, strides, dilation)


def patches(
    values: Tensor, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
) -> Tensor:
    """Stack all windows, [channels, spatial..., rows] to [window channels, spatial'..., rows]."""
    padded = _padded(values, size, strides, dilation, 0.0) if padding == "same" else values
    if any(step != 1 for step in dilation):
        return tf.concat(_cut(padded, size, strides, dilation), axis=0)

    def stacked(inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        # TensorFlow's own gradient fills up every window with zeros to the size of the image and adds all.
        return (
            tf.concat(_cut(inputs, size, strides, dilation), axis=0),
            lambda cotangents: folded(cotangents, inputs.shape[1:-1], size, strides),
        )

    return tf.custom_gradient(stacked)(padded)


def folded(cotangents: Tensor, spatial: Sequence[int], size: Sequence[int], strides: Sequence[int]) -> Tensor:
    """Add every element of every window up where it was cut out: the transpose of `patches`.

    Element d = stride e + a of the window at position p stands at d + stride p = stride (p + e) + a: for each
    e a block, shifted by e, of which the phases a lie side by side.

    Args:
        cotangents: [window channels, positions..., rows].
        spatial: The lengths of the image.
        size: Of the window.
        strides: From one window to the next.

    Returns:
        [channels, spatial..., rows].
    """
    _, *positions, rows = cotangents.shape
    dimensions = range(len(size))
    parts = [-(-extent // stride) for extent, stride in zip(size, strides, strict=True)]
    values = tf.reshape(cotangents, [*size, -1, *positions, rows])
    missing = [(0, part * stride - extent) for part, stride, extent in zip(parts, strides, size, strict=True)]
    values = tf.pad(values, [*missing, *[(0, 0)] * (len(positions) + 2)])
    cut = [length for pair in zip(parts, strides, strict=True) for length in pair]
    values = tf.reshape(values, [*cut, -1, *positions, rows])
    total: Tensor = None
    for offsets in product(*(range(part) for part in parts)):
        block = values
        for axis, offset in enumerate(offsets):
            # Of [parts, phases] of every dimension, the parts go one after the other.
            block = tf.gather(block, offset, axis=axis)
        shifts = [(offset, part - 1 - offset) for offset, part in zip(offsets, parts, strict=True)]
        block = tf.pad(block, [*[(0, 0)] * (len(size) + 1), *shifts, (0, 0)])
        total = block if total is None else total + block
    # [phases..., channels, blocks..., rows]: blocks and phases alternate in the image.
    channels = len(size)
    order = [channels, *(axis for k in dimensions for axis in (channels + 1 + k, k)), 2 * channels + 1]
    shape = [(count + part - 1) * s for count, part, s in zip(positions, parts, strides, strict=True)]
    image = tf.reshape(tf.transpose(total, order), [-1, *shape, rows])
    image = image[(slice(None), *(slice(length) for length in spatial))]
    behind = [(0, max(0, length - own)) for length, own in zip(spatial, shape, strict=True)]
    return tf.pad(image, [(0, 0), *behind, (0, 0)])


def _padded(
    values: Tensor, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int], filling: float
) -> Tensor:
    """Pad [channels, spatial..., rows] so that there is a window for every stride."""
    spatial = values.shape[1:-1]
    halves = []
    for length, stride, span in zip(spatial, strides, _reach(size, dilation), strict=True):
        total = max((-(-length // stride) - 1) * stride + span - length, 0)
        halves.append((total // 2, total - total // 2))
    return tf.pad(values, [(0, 0), *halves, (0, 0)], constant_values=filling)


def _cut(
    values: Tensor, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[Tensor]:
    """Cut the windows of padded values."""
    spatial, reach = values.shape[1:-1], _reach(size, dilation)
    counts = [
        (length - span) // stride + 1 for length, span, stride in zip(spatial, reach, strides, strict=True)
    ]
    cuts = []
    for offsets in product(*(range(extent) for extent in size)):
        index = [slice(None)]
        for offset, step, count, stride in zip(offsets, dilation, counts, strides, strict=True):
            start = offset * step
            index.append(slice(start, start + stride * (count - 1) + 1, stride))
        cuts.append(values[(*index, slice(None))])
    return cuts


def _reach(size: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """Elements from the first to the last that a window sees, along each axis."""
    return [step * (extent - 1) + 1 for step, extent in zip(dilation, size, strict=True)]
