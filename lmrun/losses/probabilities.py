"""Cross-entropies of models that end in probabilities, as values and factors of a custom loss.

With p the outputs, the expected curvature of -log p is diag(1 / p): along the directions in which a softmax
moves its probabilities, J^T diag(1 / p) J is the Gauss-Newton matrix by its logits, exactly
(Martens 2020, New insights and perspectives on the natural gradient method, section 9).
Probabilities are bounded as in Keras, to [1e-7, 1 - 1e-7].
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any
BOUND = 1e-7


def _bounded(outputs: Tensor) -> Tensor:
    return tf.clip_by_value(outputs, BOUND, 1 - BOUND)


def share(outputs: Tensor) -> Tensor:
    """Return probabilities that add up to one, bounded."""
    return _bounded(outputs / tf.reduce_sum(outputs, axis=-1, keepdims=True))


def categorical(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss l = -sum of t log p, t one-hot [rows, classes]; [rows]."""
    return -tf.reduce_sum(targets * tf.math.log(share(outputs)), axis=-1)


def sparse_categorical(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss l = -log p[label], labels [rows]; [rows]."""
    return categorical(outputs, tf.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype))


def categorical_factor(outputs: Tensor, targets: Tensor) -> Tensor:
    """F = diag(1 / sqrt(p)); [rows, classes, classes]."""
    return tf.linalg.diag(tf.math.rsqrt(share(outputs)))


def binary(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss l = mean over outputs of -t log p - (1 - t) log(1 - p), t [rows, outputs]; [rows]."""
    p = _bounded(outputs)
    return -tf.reduce_mean(targets * tf.math.log(p) + (1 - targets) * tf.math.log(1 - p), axis=-1)


binary.threshold = 0.5  # type: ignore[attr-defined]


def binary_factor(outputs: Tensor, targets: Tensor) -> Tensor:
    """F = diag(1 / sqrt(outputs p (1 - p))); [rows, outputs, outputs]."""
    p = _bounded(outputs)
    return tf.linalg.diag(tf.math.rsqrt(outputs.shape[-1] * p * (1 - p)))
