"""Dense algebra where the tensors are, without a round trip to the host.

Only the handful of scalars that an accepted or rejected step is decided by travels back, packed into one
tensor. XLA compiles the solves: its Cholesky factor of an indefinite matrix holds NaN, where TensorFlow's own
kernel would raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import tensorflow as tf

from lmrun.linalg.algebra import INVALID, MOST_BENT, Bend, StepScalars

Tensor = Any
P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with XLA, once per combination of shapes."""
    traced: Callable[P, R] = tf.function(function, jit_compile=True, autograph=False)
    return traced


@compiled
def _add_rows(gram: Tensor, gradient: Tensor, jacobian: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    return (
        gram + tf.matmul(jacobian, jacobian, transpose_b=True),
        gradient + tf.linalg.matvec(jacobian, residual),
    )


def _pack(
    valid: Tensor, predicted: Tensor, step: Tensor, params: Tensor, moved: Tensor
) -> tuple[Tensor, Tensor]:
    valid = valid & tf.reduce_all(tf.math.is_finite(step))
    scalars = tf.stack([tf.cast(valid, step.dtype), predicted, tf.norm(step), tf.norm(params)])
    return tf.where(valid, moved, params), scalars


@compiled
def _damped_step(
    gram: Tensor, gradient: Tensor, damping: Tensor, scaling: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    added = damping * scaling
    factor = tf.linalg.cholesky(tf.linalg.set_diag(gram, tf.linalg.diag_part(gram) + added))
    step = -tf.linalg.cholesky_solve(factor, gradient[:, None])[:, 0]
    return factor, step, 0.5 * tf.tensordot(step, added * step - gradient, 1)


@compiled
def _bent(factor: Tensor, step: Tensor, bend: Tensor) -> Tensor:
    turn = -tf.linalg.cholesky_solve(factor, bend[:, None])[:, 0]
    # A turn that is not a number compares as false: the step stays straight.
    return tf.where(2 * tf.norm(turn) <= MOST_BENT * tf.norm(step), step + 0.5 * turn, step)


@compiled
def _move(params: Tensor, step: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
    return _pack(tf.constant(True), predicted, step, params, params + step)


@compiled
def _newton_step(hessian: Tensor, gradient: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    # By QR, which needs no sign of the eigenvalues; XLA's eigenvectors are good to 1e-7 only, in float64 too.
    Q, R = tf.linalg.qr(hessian)
    inverse = tf.linalg.triangular_solve(R, tf.transpose(Q), lower=False)
    epsilon = float(np.finfo(hessian.dtype.as_numpy_dtype).eps)
    valid = 1 / (_norm_1(hessian) * _norm_1(inverse)) >= epsilon
    step = -tf.linalg.matvec(inverse, gradient)
    return _pack(valid, -0.5 * tf.tensordot(step, gradient, 1), step, params, params + step)


def _norm_1(matrix: Tensor) -> Tensor:
    return tf.reduce_max(tf.reduce_sum(tf.abs(matrix), axis=0))


def _unpack(packed: Tensor) -> StepScalars:
    valid, predicted, step_norm, params_norm = (float(value) for value in packed.numpy())
    return StepScalars(True, predicted, step_norm, params_norm) if valid else INVALID


class DeviceAlgebra:
    """`linalg.algebra.Algebra` with tensors; the same code on any device of TensorFlow.

    Args:
        dtype: `float32` or `float64`.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.workers = 1

    def zeros(self, size: int) -> tuple[Tensor, Tensor]:
        """[n, n], [n]."""
        return tf.zeros((size, size), self.dtype), tf.zeros(size, self.dtype)

    def add_rows(
        self, gram: Tensor, gradient: Tensor, jacobian: Tensor, residual: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both triangles: a device has no syrk in TensorFlow."""
        gram, gradient = _add_rows(gram, gradient, jacobian, residual)
        return gram, gradient

    def adopt(self, tensor: Tensor) -> Tensor:
        """A tensor stays where it is."""
        return tensor

    def diagonal(self, gram: Tensor) -> Tensor:
        """[n]."""
        return tf.linalg.diag_part(gram)

    def ones_like(self, vector: Tensor) -> Tensor:
        """[n]."""
        return tf.ones_like(vector)

    def clip(self, vector: Tensor, low: float, high: float) -> Tensor:
        """[n]."""
        return tf.clip_by_value(vector, tf.constant(low, self.dtype), tf.constant(high, self.dtype))

    def largest(self, vector: Tensor) -> float:
        """The maximum norm."""
        return float(tf.reduce_max(tf.abs(vector)).numpy())

    def damped_step(
        self,
        gram: Tensor,
        gradient: Tensor,
        damping: float,
        scaling: Tensor,
        params: Tensor,
        *,
        bend: Bend | None = None,
    ) -> tuple[Tensor, StepScalars]:
        """Cholesky of the damped matrix."""
        factor, step, predicted = _damped_step(gram, gradient, tf.constant(damping, self.dtype), scaling)
        if bend is not None:
            step = _bent(factor, step, bend(step))
        moved, packed = _move(params, step, predicted)
        return moved, _unpack(packed)

    def newton_step(self, hessian: Tensor, gradient: Tensor, params: Tensor) -> tuple[Tensor, StepScalars]:
        """QR factorization, singular as on the host: 1 / condition number < epsilon in the 1-norm."""
        moved, packed = _newton_step(hessian, gradient, params)
        return moved, _unpack(packed)
