"""What a rule of a layer type offers, and the layout that all rules share.

Samples stand last and channels first: a value that Keras holds as [rows, height, width, channels] is
[channels, height, width, rows] here. Every operation then runs along contiguous samples, a convolution is one
matrix product over its patches, and the block of a layer is a slab of rows of the transposed Jacobian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

Tensor = Any


class Rule(Protocol):
    """A layer type. `weights` are the layer's parameters in Keras' shapes and order, kernel before bias.

    Attributes:
        bilinear: Whether `forward` is a product of the first weight with the inputs, plus the further
            weights; or linear in the inputs of a layer without weights. The second derivative then follows
            from products alone (`curvature.taylor`).
    """

    bilinear: bool

    def applies(self, layer: keras.Layer) -> bool:
        """Whether the rule covers this layer's arguments."""
        ...

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Return the output before the layer's own activation, [channels, ..., rows]."""
        ...

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """Return the derivative of `cotangents . forward` for each sample: [parameters, rows]."""
        ...


class Parameterless:
    """What layers without parameters share: they have no block."""

    bilinear = False

    def applies(self, layer: keras.Layer) -> bool:
        """Always, unless a subclass says otherwise."""
        return True

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """Not there to be asked for."""
        raise TypeError(f"{type(layer).__name__} has no parameters")


def samples_last(values: Any) -> Any:
    """Turn a tensor [rows, ..., channels] into [channels, ..., rows]; [rows] stays."""
    rank = len(values.shape)
    return values if rank == 1 else tf.transpose(values, _exchanged(rank))


def samples_first(values: Any) -> Any:
    """Turn a tensor [channels, ..., rows] into [rows, ..., channels]; the exchange is its own inverse."""
    return samples_last(values)


def _exchanged(rank: int) -> list[int]:
    return [rank - 1, *range(1, rank - 1), 0]


def keras_order(values: Tensor) -> Tensor:
    """Move the channels behind the other axes of a sample: [channels, ..., rows] to [..., channels, rows]."""
    rank = len(values.shape)
    return values if rank < 3 else tf.transpose(values, [*range(1, rank - 1), 0, rank - 1])


def channels_first(values: Tensor) -> Tensor:
    """The inverse of `keras_order`: [..., channels, rows] to [channels, ..., rows]."""
    rank = len(values.shape)
    return values if rank < 3 else tf.transpose(values, [rank - 2, *range(rank - 2), rank - 1])


UNROLLED = 32
"""Positions up to which a sum of products is written out; beyond, a loop adds groups of them. On 6,000 images
with 169 positions the whole Jacobian took 85 ms with the loop, 490 ms as a batched product."""


def summed_products(left: Tensor, right: Tensor) -> Tensor:
    """Return sum over positions p of left[k, p, row] right[f, p, row].

    Args:
        left: [k, positions..., rows].
        right: [f, positions..., rows].

    Returns:
        [k f, rows].
    """
    rows = left.shape[-1]
    if len(left.shape) == 2:
        # The most frequent case, in half the operations.
        return tf.reshape(left[:, None] * right[None], [-1, rows])
    left = tf.reshape(left, [left.shape[0], -1, rows])
    right = tf.reshape(right, [right.shape[0], -1, rows])
    if left.shape[1] <= UNROLLED:
        return tf.reshape(_written_out(left, right), [-1, rows])
    left, right = _grouped(left), _grouped(right)

    def add(group: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        one, other = tf.gather(left, group, axis=1), tf.gather(right, group, axis=1)
        return group + 1, total + _written_out(one, other)

    start = tf.zeros([left.shape[0], right.shape[0], rows], left.dtype)
    _, total = tf.while_loop(
        lambda group, total: group < left.shape[1],
        add,
        (tf.constant(0), start),
        maximum_iterations=left.shape[1],
    )
    return tf.reshape(total, [-1, rows])


def _written_out(left: Tensor, right: Tensor) -> Tensor:
    """[k, positions, rows] and [f, positions, rows] to [k, f, rows]."""
    product = left[:, None, 0] * right[None, :, 0]
    for position in range(1, left.shape[1]):
        product += left[:, None, position] * right[None, :, position]
    return product


def _grouped(values: Tensor) -> Tensor:
    """[k, positions, rows] to [k, groups, positions of a group, rows], filled up with zeros where needed."""
    channels, positions, rows = values.shape
    size = next((size for size in range(UNROLLED, 7, -1) if positions % size == 0), UNROLLED // 2)
    values = tf.pad(values, [(0, 0), (0, -positions % size), (0, 0)])
    return tf.reshape(values, [channels, -1, size, rows])


def summed_positions(values: Tensor) -> Tensor:
    """[f, positions..., rows] to [f, rows]."""
    rank = len(values.shape)
    return values if rank == 2 else tf.reduce_sum(values, axis=list(range(1, rank - 1)))


def with_bias(values: Tensor, bias: Tensor) -> Tensor:
    """Add a bias [f] to every position and sample of [f, positions..., rows]."""
    return values + per_channel(bias, values)


def per_channel(numbers: Tensor, values: Tensor) -> Tensor:
    """Reshape one number per channel [f], so that it meets [f, positions..., rows] channel by channel."""
    return tf.reshape(numbers, [-1] + [1] * (len(values.shape) - 1))
