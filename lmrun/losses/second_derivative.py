"""The factor of a loss' curvature from its values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from lmrun.losses.derivatives import ZERO

Tensor = Any
Function = Callable[[Tensor, Tensor], Tensor]


def second_derivative(value: Function, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return d2l/dz2 of every row by its outputs [rows, outputs, outputs].

    Args:
        value: l [rows], each row by itself.
        outputs: z [rows, outputs].
        targets: [rows, ...].
    """
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as outer:
        outer.watch(outputs)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(outputs)
            values = value(outputs, targets)
        slopes = tf.unstack(inner.gradient(values, outputs, unconnected_gradients=ZERO), axis=-1)
    columns = [outer.gradient(slope, outputs, unconnected_gradients=ZERO) for slope in slopes]
    return tf.stack(columns, axis=-1)


def factor_of(value: Function) -> Function:
    """Return the function of a factor F [rows, outputs, outputs] of the curvature.

    F F^T is d2l/dz2 without its negative part. For one output it is a root; for more F = V sqrt(max(0, s)),
    with the eigenvalues s and eigenvectors V of every row's matrix. A loss that is straight, such as |e|, has
    no curvature and gives steps along the gradient; residuals serve it better.
    """

    def factor(outputs: Tensor, targets: Tensor) -> Tensor:
        curvature = second_derivative(value, outputs, targets)
        if curvature.shape[-1] == 1:
            return tf.sqrt(tf.maximum(curvature, 0.0))
        size, direction = tf.linalg.eigh(0.5 * (curvature + tf.linalg.matrix_transpose(curvature)))
        return direction * tf.sqrt(tf.maximum(size, 0.0))[:, None, :]

    return factor
