"""J itself, for fewer rows m than parameters n; see `linalg.host.dual`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.linalg.algebra import UNRESOLVED, in_turn
from lmrun.linalg.device.form import Data, DeviceCurvature, DeviceForm, Factor
from lmrun.linalg.device.gram import where_valid

Tensor = Any


class Dual(DeviceForm):
    """The data is the table [J, r]^T [n + 1, m] and the gradient [n], None where it is J^T r.

    A factor is that of K + damping, K = J D^-1 J^T, with the damping, D and the largest diagonal element
    of K.
    """

    def gradient(self, data: Data) -> Tensor:
        """J^T r."""
        table, foreign = data
        return tf.linalg.matvec(table[:-1], table[-1]) if foreign is None else foreign

    def diagonal(self, data: Data) -> Tensor:
        """Squared columns of J."""
        return tf.reduce_sum(tf.square(data[0][:-1]), axis=1)

    def factor(self, data: Data, damping: Tensor, scaling: Tensor) -> Factor:
        """Cholesky."""
        scaled = data[0][:-1] / tf.sqrt(scaling)[:, None]
        matrix = tf.matmul(scaled, scaled, transpose_a=True)
        diagonal = tf.linalg.diag_part(matrix)
        largest = tf.reduce_max(diagonal)
        # A row that depends on no parameter, such as one of weight zero, has no say and no singular matrix.
        filling = tf.where(largest > 0, largest, tf.ones_like(largest))
        filled = tf.where(diagonal == 0, filling, diagonal)
        return tf.linalg.cholesky(tf.linalg.set_diag(matrix, filled + damping)), damping, scaling, largest

    def step(self, data: Data, factor: Factor) -> Tensor:
        """From the residual itself, unless the gradient is another."""
        table, foreign = data
        return self.turn(data, factor, table[-1]) if foreign is None else self.solve(data, factor, -foreign)

    def turn(self, data: Data, factor: Factor, bent: Tensor) -> Tensor:
        """-D^-1 J^T (K + damping)^-1 r for r [m]; the damping may be 0."""
        cholesky, _, scaling, _ = factor
        return -tf.linalg.matvec(data[0][:-1], _solved(cholesky, bent)) / scaling

    def solve(self, data: Data, factor: Factor, right: Tensor) -> Tensor:
        """(b - J^T (K + damping)^-1 J D^-1 b) / (damping D), unless the damping is lost beside K."""
        transposed = data[0][:-1]
        cholesky, damping, scaling, largest = factor
        inner = _solved(cholesky, tf.linalg.matvec(transposed, right / scaling, transpose_a=True))
        epsilon = float(np.finfo(transposed.dtype.as_numpy_dtype).eps)
        solution = (right - tf.linalg.matvec(transposed, inner)) / (damping * scaling)
        return where_valid(damping > UNRESOLVED * epsilon * largest, solution)

    def whole(self, data: Data) -> Tensor:
        """The shortest of the steps that make the linear model zero; NaN where rows depend on each other."""
        ones = tf.ones([data[0].shape[0] - 1], data[0].dtype)
        return self.step(data, self.factor(data, tf.zeros([], ones.dtype), ones))

    def squared(self, data: Data, vector: Tensor) -> Tensor:
        """|J v|^2."""
        return tf.reduce_sum(tf.square(tf.linalg.matvec(data[0][:-1], vector, transpose_a=True)))


def _solved(cholesky: Tensor, right: Tensor) -> Tensor:
    return tf.linalg.cholesky_solve(cholesky, right[:, None])[:, 0]


DUAL = Dual()


class DualAssembly:
    """All tables side by side, in the order of the chunks.

    Args:
        dtype: `float32` or `float64`.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.by_rows = True

    def start(self, size: int) -> list[Tensor]:
        """No table yet."""
        return []

    def add(self, part: list[Tensor], table: Tensor) -> list[Tensor]:
        """As it is."""
        return [*part, table]

    def finish(self, parts: Sequence[list[Tensor]], gradient: Tensor | None = None) -> DeviceCurvature:
        """[n + 1, m]."""
        return DeviceCurvature(DUAL, (tf.concat(in_turn(parts), axis=1), gradient))
