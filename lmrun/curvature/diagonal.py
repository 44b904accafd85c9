"""The diagonal of J^T J without the Jacobian.

In a fully connected layer the derivative of one sample's cotangent by W_ij is x_i c_j. The sum of its squares
over the samples is one matrix product of the squared inputs with the squared cotangents, as cheap as a
backward pass. All other layers make their block of the Jacobian, as many rows at a time as a table has.
Source: Dangel, Kunstner and Hennig 2020, BackPACK: packing more into backprop, appendix A.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from lmrun.curvature.batch import CHUNK_BYTES
from lmrun.curvature.graph import Traced
from lmrun.curvature.layers.dense import Dense

Tensor = Any


def squared_blocks(traced: Sequence[Traced], cotangents: Sequence[Tensor]) -> Tensor:
    """Sum the squares of the rows of the Jacobian that a seed pulls back.

    Args:
        traced: The calls of all layers with parameters.
        cotangents: For each of them that of its value before the activation, [channels, ..., rows].

    Returns:
        One number per parameter [n].
    """
    uses: dict[int, list[tuple[Traced, Tensor]]] = {}
    for step, cotangent in zip(traced, cotangents, strict=True):
        uses.setdefault(step.call.part.start, []).append((step, cotangent))
    return tf.concat([_squares(uses[start]) for start in sorted(uses)], axis=0)


def _squares(uses: Sequence[tuple[Traced, Tensor]]) -> Tensor:
    (step, cotangent), *others = uses
    if not others and isinstance(step.call.rule, Dense) and len(cotangent.shape) == 2:
        return _dense(step, cotangent)
    return _by_blocks(uses)


def _dense(step: Traced, cotangent: Tensor) -> Tensor:
    squared = tf.square(cotangent)
    kernel = tf.reshape(tf.matmul(tf.square(step.inputs[0]), squared, transpose_b=True), [-1])
    bias = tf.reduce_sum(squared, axis=1)
    return tf.concat([kernel, bias], axis=0) if step.call.part.layer.use_bias else kernel


def _by_blocks(uses: Sequence[tuple[Traced, Tensor]]) -> Tensor:
    """A layer that is used several times has the sum of its uses for its block."""
    part, rows = uses[0][0].call.part, uses[0][1].shape[-1]
    most = max(1, CHUNK_BYTES // (part.size * uses[0][1].dtype.size))
    pieces = -(-rows // most)
    values = [[*step.inputs, cotangent] for step, cotangent in uses]
    if pieces == 1:
        return _of_piece(uses, values)
    cut = [list(_cut(parts, pieces)) for parts in values]

    def body(number: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        taken = [[tf.gather(value, number, axis=-2) for value in parts] for parts in cut]
        return number + 1, total + _of_piece(uses, taken)

    start = tf.zeros([part.size], uses[0][1].dtype)
    return tf.while_loop(lambda number, total: number < pieces, body, (tf.constant(0), start))[1]


def _of_piece(uses: Sequence[tuple[Traced, Tensor]], values: Sequence[Sequence[Tensor]]) -> Tensor:
    block = sum(
        step.call.rule.block(step.call.part.layer, step.weights, inputs, cotangent)
        for (step, _), (*inputs, cotangent) in zip(uses, values, strict=True)
    )
    return tf.reduce_sum(tf.square(block), axis=1)


def _cut(parts: Sequence[Tensor], pieces: int) -> Iterator[Tensor]:
    """Cut rows [..., rows] into [..., pieces, size].

    The last piece is filled up: the inputs with their first row, since a formula need not have a value at
    zeros; the cotangent, which stands last, with zeros.
    """
    for place, values in enumerate(parts):
        rows = values.shape[-1]
        size = -(-rows // pieces)
        missing = pieces * size - rows
        if missing:
            first = values[..., :1]
            filling = tf.zeros_like(first) if place == len(parts) - 1 else first
            filled = tf.concat([values, *[filling] * missing], axis=-1)
        else:
            filled = values
        yield tf.reshape(filled, [*values.shape[:-1], pieces, size])
