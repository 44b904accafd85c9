"""Newton's step with a modified Cholesky factorization as one compiled loop, see `linalg.modified`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from lmrun.linalg.device.form import Data
from lmrun.linalg.device.gram import Gram
from lmrun.linalg.modified import GROWTH, MOST_FACTORIZATIONS, epsilon_of, first_shift

Tensor = Any


def modified_cholesky(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Do what `linalg.host.modified.modified_cholesky` does; NaN where that is None.

    Returns:
        tau, D [n] and L [n, n].
    """
    dtype = matrix.dtype
    diagonal, scaling = tf.linalg.diag_part(matrix), column_norms(matrix)
    least = tf.constant(first_shift(dtype.as_numpy_dtype), dtype)
    rounding = matrix.shape[0] * epsilon_of(dtype.as_numpy_dtype)
    negative = tf.reduce_max(-diagonal / scaling)
    nan = tf.constant(float("nan"), dtype)

    def body(shift: Tensor, used: Tensor, factor: Tensor, done: Tensor) -> tuple[Tensor, ...]:
        shifted = diagonal + shift * scaling
        factor = tf.linalg.cholesky(tf.linalg.set_diag(matrix, shifted))
        # What is not a number compares as false.
        done = tf.reduce_all(tf.square(tf.linalg.diag_part(factor)) > rounding * shifted)
        return tf.maximum(GROWTH * shift, least), shift, factor, done

    start = tf.where(negative < 0, tf.zeros_like(negative), negative + least)
    finite = tf.reduce_all(tf.math.is_finite(matrix))
    _, shift, factor, done = tf.while_loop(
        lambda shift, used, factor, done: ~done & finite,
        body,
        (start, nan, tf.fill(matrix.shape, nan), tf.constant(False)),
        maximum_iterations=MOST_FACTORIZATIONS,
        parallel_iterations=1,
    )
    return tf.where(done, shift, nan), scaling, tf.where(done, factor, nan)


def column_norms(matrix: Tensor) -> Tensor:
    """Do what `linalg.host.modified.column_norms` does."""
    norms = tf.norm(matrix, axis=0)
    largest = tf.reduce_max(norms)
    least = epsilon_of(matrix.dtype.as_numpy_dtype) * largest
    return tf.where(largest > 0, tf.maximum(norms, least), tf.ones_like(norms))


class Modified(Gram):
    """A symmetric matrix whose whole step goes downhill."""

    def whole(self, data: Data) -> Tensor:
        """-(H + tau D)^-1 gradient."""
        matrix, gradient = data
        return self.solve(data, modified_cholesky(matrix)[2], -gradient)


MODIFIED = Modified()
