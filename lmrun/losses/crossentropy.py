"""Cross-entropy losses from logits, with the exact generalized Gauss-Newton curvature.

For a loss that is convex in the outputs the Gauss-Newton matrix is sum_i J_i^T (d2 l_i / dz2) J_i
(Schraudolph 2002, Fast curvature matrix-vector products, eq. 4); it is positive semidefinite and, for these
losses, the Fisher matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any

HALF_ROOT = 0.5**0.5
"""The cost is half of the sum of losses, so gradient and curvature carry 1/2; F and r carry its root."""


@dataclass(frozen=True)
class BinaryCrossentropy:
    """l = mean over outputs of log(1 + exp(z)) - t z; p = 1 / (1 + exp(-z)), d2l/dz2 = p (1 - p)."""

    name: str = "binary_crossentropy"

    def scale(self, outputs: int) -> float:
        """The cost adds outputs up, the loss averages them."""
        return float(outputs)

    def components(self, outputs: int) -> int:
        """One residual per output."""
        return outputs

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs), axis=-1
        )

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = (p - t) / sqrt(2 p (1 - p)); [rows, outputs]."""
        return 0.5 * (tf.sigmoid(outputs) - targets) / self._root_curvature(outputs)

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Factor F = diag(sqrt(p (1 - p) / 2)); [rows, outputs, outputs]."""
        return tf.linalg.diag(self._root_curvature(outputs))

    def _root_curvature(self, outputs: Tensor) -> Tensor:
        # sqrt(p (1 - p)) = 1 / (2 cosh(z / 2)); |z| is bounded where the root is still far from underflow.
        bounded = tf.clip_by_value(outputs, -60.0, 60.0)
        return HALF_ROOT * 0.5 / tf.cosh(0.5 * bounded)


class _Softmax:
    """What one-hot and integer targets share: q = classes, F = sqrt(1/2) (diag(s) - p s^T), s = sqrt(p).

    F F^T = (diag(p) - p p^T) / 2, and F r is half the gradient p - t for r = sqrt(1/2) (s - t / s): the
    component of r along s drops out, since F s = 0.
    """

    def scale(self, outputs: int) -> float:
        """One loss per sample."""
        return 1.0

    def components(self, outputs: int) -> int:
        """One residual per class."""
        return outputs

    def _one_hot(self, outputs: Tensor, targets: Tensor) -> Tensor:
        raise NotImplementedError

    def _root_probability(self, outputs: Tensor) -> Tensor:
        # Bounded below so that t / s stays finite; the probability e^-60 is beyond the resolution of the
        # loss.
        return tf.exp(tf.maximum(0.5 * tf.nn.log_softmax(outputs), -30.0))

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = sqrt(1/2) (s - t / s); [rows, classes]."""
        root = self._root_probability(outputs)
        return HALF_ROOT * (root - self._one_hot(outputs, targets) / root)

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Factor F = sqrt(1/2) (diag(s) - p s^T); [rows, classes, classes]."""
        root = self._root_probability(outputs)
        return HALF_ROOT * (tf.linalg.diag(root) - (root * root)[:, :, None] * root[:, None, :])


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
