"""Cross-entropy losses from logits, with the exact generalized Gauss-Newton curvature.

For a loss that is convex in the outputs the Gauss-Newton matrix is sum_i J_i^T (d2 l_i / dz2) J_i
(Schraudolph 2002, Fast curvature matrix-vector products, eq. 4); it is positive semidefinite and, for these
losses, the Fisher matrix. `losses.projected` and `losses.square_root` have the other curvatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.losses.base import Diagonal, Metric

Tensor = Any

HALF_ROOT = 0.5**0.5
"""The cost is half of the sum of losses, so gradient and curvature carry 1/2; F and r carry its root."""


@dataclass(frozen=True)
class BinaryCrossentropy(Diagonal):
    """l = mean over outputs of log(1 + exp(z)) - t z; p = 1 / (1 + exp(-z)), d2l/dz2 = p (1 - p)."""

    name: str = "binary_crossentropy"

    def terms(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each output; [rows, outputs]."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs)

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return tf.reduce_mean(self.terms(outputs, targets), axis=-1)

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = (p - t) / sqrt(2 p (1 - p)); [rows, outputs]."""
        return 0.5 * (tf.sigmoid(outputs) - targets) / self.root(outputs, targets)

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Diagonal of F = sqrt(p (1 - p) / 2); [rows, outputs]."""
        # sqrt(p (1 - p)) = 1 / (2 cosh(z / 2)); |z| is bounded where the root is still far from underflow.
        bounded = tf.clip_by_value(outputs, -60.0, 60.0)
        return HALF_ROOT * 0.5 / tf.cosh(0.5 * bounded)


class _Factor(NamedTuple):
    """Of the softmax's curvature; see `_Softmax`.

    Attributes:
        root: s = sqrt(p) [rows, classes].
        pivot: m, int [rows].
        unit: e_m [rows, classes].
        away: (p + s_m e_m) / (1 + s_m) [rows, classes].
    """

    root: Tensor
    pivot: Tensor
    unit: Tensor
    away: Tensor


class _Softmax(Metric):
    """What one-hot and integer targets share: d2l/dz2 = diag(p) - p p^T, of rank classes - 1.

    With s = sqrt(p), the factor sqrt(1/2) (diag(s) - p s^T) has the null vector s. The reflection that swaps
    s and -e_m for the largest p_m (Householder 1958) turns it into a column of zeros and, for each class
    k != m,

        F_k = sqrt(1/2) s_k (e_k - (p + s_m e_m) / (1 + s_m)).

    F r is half the gradient p - t for r = -sqrt(1/2) (t_k / s_k - s_k (1 + t_m / s_m) / (1 + s_m)). One pass
    less than classes, and random projections vary less (`tests/losses/test_projected.py`).
    """

    def scale(self, outputs: int) -> float:
        """One loss per sample."""
        return 1.0

    def components(self, outputs: int) -> int:
        """One less than classes."""
        return outputs - 1

    def terms(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample; [rows, 1]."""
        return self.values(outputs, targets)[:, None]

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        raise NotImplementedError

    def _one_hot(self, outputs: Tensor, targets: Tensor) -> Tensor:
        raise NotImplementedError

    def _factor(self, outputs: Tensor) -> _Factor:
        # Bounded below so that t / s stays finite; the probability e^-60 is beyond the resolution of the
        # loss.
        root = tf.exp(tf.maximum(0.5 * tf.nn.log_softmax(outputs), -30.0))
        pivot = tf.argmax(outputs, axis=-1)
        unit = tf.one_hot(pivot, outputs.shape[-1], dtype=outputs.dtype)
        largest = tf.reduce_sum(root * unit, axis=-1, keepdims=True)
        return _Factor(root, pivot, unit, (root * root + largest * unit) / (1 + largest))

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r of the classes after the largest, in turn; [rows, classes - 1]."""
        root, pivot, unit, _ = self._factor(outputs)
        ratio = self._one_hot(outputs, targets) / root
        largest = tf.reduce_sum(root * unit, axis=-1, keepdims=True)
        turned = root * (1 + tf.reduce_sum(ratio * unit, axis=-1, keepdims=True)) / (1 + largest)
        classes = outputs.shape[-1]
        others = (pivot[:, None] + tf.range(1, classes, dtype=pivot.dtype)) % classes
        return HALF_ROOT * tf.gather(turned - ratio, others, batch_dims=1)

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """F of the classes after the largest, in turn."""
        factor, classes = self._factor(outputs), outputs.shape[-1]
        others = [(factor.pivot + turn) % classes for turn in range(1, classes)]
        return [_product(factor, tf.one_hot(other, classes, dtype=outputs.dtype)) for other in others]

    def project(self, outputs: Tensor, targets: Tensor, vector: Tensor) -> Tensor:
        """F v [rows, classes] for v [rows, classes], of which the element of the largest class is unused."""
        factor = self._factor(outputs)
        return _product(factor, vector * (1 - factor.unit))


def _product(factor: _Factor, vector: Tensor) -> Tensor:
    scaled = factor.root * vector
    return HALF_ROOT * (scaled - factor.away * tf.reduce_sum(scaled, axis=-1, keepdims=True))


@dataclass(frozen=True)
class CategoricalCrossentropy(_Softmax):
    """l = -sum over classes of t log softmax(z), t [rows, classes]."""

    name: str = "categorical_crossentropy"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)

    def _one_hot(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return targets


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(_Softmax):
    """l = -log softmax(z)[label], label int [rows]."""

    name: str = "sparse_categorical_crossentropy"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)

    def _one_hot(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return tf.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
