"""J^T J as a tensor [n, n]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.linalg.device.form import Data, DeviceCurvature, Penalizable, compiled
from lmrun.linalg.sharing import Sums

Tensor = Any


class Gram(Penalizable):
    """The data is the symmetric matrix [n, n] and the gradient [n]."""

    def gradient(self, data: Data) -> Tensor:
        """As given."""
        return data[1]

    def diagonal(self, data: Data) -> Tensor:
        """[n]."""
        return tf.linalg.diag_part(data[0])

    def factor(self, data: Data, damping: Tensor, scaling: Tensor) -> Tensor:
        """Cholesky."""
        matrix = data[0]
        return tf.linalg.cholesky(tf.linalg.set_diag(matrix, tf.linalg.diag_part(matrix) + damping * scaling))

    def solve(self, data: Data, factor: Tensor, right: Tensor) -> Tensor:
        """Two triangular solves."""
        return tf.linalg.cholesky_solve(factor, right[:, None])[:, 0]

    def whole(self, data: Data) -> Tensor:
        """By QR, which needs no sign of the eigenvalues; singular as on the host.

        XLA's eigenvectors are good to 1e-7 only, in float64 too.
        """
        matrix, gradient = data
        Q, R = tf.linalg.qr(matrix)
        inverse = tf.linalg.triangular_solve(R, tf.transpose(Q), lower=False)
        epsilon = float(np.finfo(matrix.dtype.as_numpy_dtype).eps)
        regular = 1 / (norm_1(matrix) * norm_1(inverse)) >= epsilon
        return where_valid(regular, -tf.linalg.matvec(inverse, gradient))

    def squared(self, data: Data, vector: Tensor) -> Tensor:
        """By the matrix."""
        return tf.tensordot(vector, tf.linalg.matvec(data[0], vector), 1)

    def penalized(self, data: Data, strength: Tensor, params: Tensor) -> Data:
        """The strength is added to the diagonal."""
        matrix, gradient = data
        return _penalized(matrix, gradient, strength, params)

    def eigenvalues(self, data: Data) -> Tensor:
        """Not by XLA, whose eigenvalues are good to 1e-7 only."""
        return _eigenvalues(data[0])


def blended(curvature: DeviceCurvature, kept: Tensor, share: float, scale: float) -> DeviceCurvature:
    """(1 - share) J^T J + share scale K."""
    matrix, gradient = curvature.data
    shares = tf.constant([1 - share, share * scale], matrix.dtype)
    return DeviceCurvature(GRAM, (_mixed(matrix, kept, shares), gradient))


@compiled
def _mixed(matrix: Tensor, kept: Tensor, shares: Tensor) -> Tensor:
    return shares[0] * matrix + shares[1] * kept


@compiled
def _penalized(matrix: Tensor, gradient: Tensor, strength: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    diagonal = tf.linalg.diag_part(matrix) + strength
    return tf.linalg.set_diag(matrix, diagonal), gradient + strength * params


def _eigenvalues(matrix: Tensor) -> Tensor:
    finite = tf.reduce_all(tf.math.is_finite(matrix))
    found = tf.linalg.eigvalsh(tf.where(finite, matrix, tf.zeros_like(matrix)))
    return where_valid(finite, found)


def norm_1(matrix: Tensor) -> Tensor:
    """The largest sum of |elements| of a column."""
    return tf.reduce_max(tf.reduce_sum(tf.abs(matrix), axis=0))


def where_valid(valid: Tensor, values: Tensor) -> Tensor:
    """Return values, or NaN instead of all of them."""
    return tf.where(valid, values, tf.constant(float("nan"), values.dtype))


GRAM = Gram()


@compiled
def _add_product(total: Tensor, rows: Tensor) -> Tensor:
    return total + tf.matmul(rows, rows, transpose_b=True)


@compiled
def _split(total: Tensor) -> tuple[Tensor, Tensor]:
    return total[:-1, :-1], total[-1, :-1]


class GramAssembly:
    """The sum of the tables' products with their own transpose.

    Args:
        dtype: `float32` or `float64`.
        summed: Adds up parts, which may be on several devices.
    """

    def __init__(self, dtype: Any, summed: Callable[[Sequence[Tensor]], Tensor] = tf.add_n) -> None:
        self.dtype = dtype
        self.summed = summed
        self.by_rows = False

    def start(self, size: int) -> Tensor:
        """[n + 1, n + 1]."""
        return tf.zeros((size, size), self.dtype)

    def add(self, part: Tensor, table: Tensor) -> Tensor:
        """Both triangles: a device has no syrk in TensorFlow."""
        return _add_product(part, table)

    def shared(self, parts: Sequence[Tensor], sums: Sums, *more: Any) -> tuple[Tensor, list[Any]]:
        """J^T J and J^T r travel, n^2 + n numbers."""
        rows, *rest = sums.total(self._joined(parts)[:, :-1], *more)
        # Nobody asks for r^T r.
        return tf.pad(rows, [(0, 0), (0, 1)]), rest

    def finish(self, parts: Sequence[Tensor], gradient: Tensor | None = None) -> DeviceCurvature:
        """The last row is J^T r."""
        matrix, own = _split(self._joined(parts))
        return DeviceCurvature(GRAM, (matrix, own if gradient is None else gradient))

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else self.summed(parts)
