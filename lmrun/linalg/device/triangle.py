"""J by its orthogonal factorization; see `linalg.host.triangle`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.linalg.device.form import Data, DeviceCurvature, Penalizable, compiled
from lmrun.linalg.device.gram import norm_1, where_valid
from lmrun.linalg.sharing import Sums

Tensor = Any


def appended(triangle: Tensor, rows: Tensor) -> Tensor:
    """The triangle [k, k] of the QR factorization of [R; B], B [m, k]."""
    return tf.linalg.qr(tf.concat([triangle, rows], axis=0))[1]


class Triangle(Penalizable):
    """The data is the triangle of [J, r] [n + 1, n + 1] and the gradient [n], None where it is J^T r."""

    def gradient(self, data: Data) -> Tensor:
        """R^T Q^T r."""
        triangle, foreign = data
        if foreign is not None:
            return foreign
        return tf.linalg.matvec(triangle[:-1, :-1], triangle[:-1, -1], transpose_a=True)

    def diagonal(self, data: Data) -> Tensor:
        """Squared columns of R."""
        return tf.reduce_sum(tf.square(data[0][:-1, :-1]), axis=0)

    def factor(self, data: Data, damping: Tensor, scaling: Tensor) -> Tensor:
        """The triangle takes in the rows (damping D)^(1/2)."""
        rows = tf.linalg.diag(tf.sqrt(damping * scaling))
        return appended(data[0], tf.pad(rows, [(0, 0), (0, 1)]))

    def step(self, data: Data, factor: Tensor) -> Tensor:
        """R v = -Q^T [r; 0]."""
        if data[1] is not None:
            return self.solve(data, factor, -data[1])
        return _solved(factor[:-1, :-1], -factor[:-1, -1])

    def solve(self, data: Data, factor: Tensor, right: Tensor) -> Tensor:
        """The seminormal equations R^T R x = right."""
        R = factor[:-1, :-1]
        return _solved(R, _solved(R, right, adjoint=True))

    def whole(self, data: Data) -> Tensor:
        """R v = -Q^T r, unless R is singular to working precision."""
        R = data[0][:-1, :-1]
        inverse = tf.linalg.triangular_solve(R, tf.eye(R.shape[0], dtype=R.dtype), lower=False)
        epsilon = R.shape[0] * float(np.finfo(R.dtype.as_numpy_dtype).eps)
        return where_valid(1 / (norm_1(R) * norm_1(inverse)) >= epsilon, self.step(data, data[0]))

    def squared(self, data: Data, vector: Tensor) -> Tensor:
        """|R v|^2."""
        return tf.reduce_sum(tf.square(tf.linalg.matvec(data[0][:-1, :-1], vector)))

    def penalized(self, data: Data, strength: Tensor, params: Tensor) -> Data:
        """The triangle takes in the rows strength^(1/2) [1, params]."""
        triangle, foreign = data
        own = None if foreign is None else foreign + strength * params
        return _penalized(triangle, tf.sqrt(strength), params), own

    def eigenvalues(self, data: Data) -> Tensor:
        """The squared singular values of R."""
        factor = data[0][:-1, :-1]
        finite = tf.reduce_all(tf.math.is_finite(factor))
        found = tf.linalg.svd(tf.where(finite, factor, tf.zeros_like(factor)), compute_uv=False)
        return where_valid(finite, tf.square(tf.cast(found[::-1], tf.float64)))


def _solved(R: Tensor, right: Tensor, *, adjoint: bool = False) -> Tensor:
    return tf.linalg.triangular_solve(R, right[:, None], lower=False, adjoint=adjoint)[:, 0]


@compiled
def _penalized(triangle: Tensor, root: Tensor, params: Tensor) -> Tensor:
    rows = tf.concat([root * tf.eye(params.shape[0], dtype=params.dtype), root * params[:, None]], axis=1)
    return appended(triangle, rows)


TRIANGLE = Triangle()


@compiled
def _add_table(triangle: Tensor, table: Tensor) -> Tensor:
    return appended(triangle, tf.transpose(table))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    first, *others = parts
    for other in others:
        first = _add_table(first, tf.transpose(other))
    return first


class TriangleAssembly:
    """Chunk after chunk is appended to the triangle.

    Args:
        dtype: `float32` or `float64`.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.by_rows = False

    def start(self, size: int) -> Tensor:
        """[n + 1, n + 1]."""
        return tf.zeros((size, size), self.dtype)

    def add(self, part: Tensor, table: Tensor) -> Tensor:
        """Neither J nor Q is ever whole."""
        return _add_table(part, table)

    def shared(self, parts: Sequence[Tensor], sums: Sums, *more: Any) -> tuple[Tensor, list[Any]]:
        """Every worker is given the triangles of all."""
        return _joined(sums.stack(_joined(parts))), sums.total(*more)

    def finish(self, parts: Sequence[Tensor], gradient: Tensor | None = None) -> DeviceCurvature:
        """One triangle appends to the other."""
        return DeviceCurvature(TRIANGLE, (_joined(parts), gradient))
