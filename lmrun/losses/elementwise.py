"""Losses that add up over the elements of e = outputs - targets: mse, mae, huber and the robust ones.

Each is rho(e) per element, written as a weighted square: r = sqrt(w) e with F = sqrt(w), w = rho'(e) / (2 e).
The gradient is exact; the curvature is that of iteratively reweighted least squares, which bounds rho from
above, so that an undamped step cannot overshoot as that of the residual sign(e) sqrt(rho(e)) does (it would
land at -e).
Source: Holland and Welsch 1977, Robust regression using iteratively reweighted least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.losses.base import Diagonal

Tensor = Any


class Elementwise(Diagonal):
    """What they share: r = F e."""

    name: str

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `Loss`."""
        raise NotImplementedError

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = sqrt(w) e; [rows, outputs]."""
        return self.root(outputs, targets) * (outputs - targets)


@dataclass(frozen=True)
class MeanSquaredError(Elementwise):
    """rho(e) = e^2, w = 1."""

    name: str = "mse"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of e^2; [rows]."""
        return tf.reduce_mean(tf.square(outputs - targets), axis=-1)

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Diagonal of F = 1; [rows, outputs]."""
        return tf.ones_like(outputs)


@dataclass(frozen=True)
class MeanAbsoluteError(Elementwise):
    """rho(e) = |e|, w = 1 / (2 |e|)."""

    name: str = "mae"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of |e|; [rows]."""
        return tf.reduce_mean(tf.abs(outputs - targets), axis=-1)

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Diagonal of F = 1 / sqrt(2 |e|); [rows, outputs]."""
        # The weight of e = 0 is infinite; below the root of the smallest step of the floating-point type an
        # error is an exact fit as far as a squared quantity can tell.
        floor = float(np.finfo(tf.as_dtype(outputs.dtype).as_numpy_dtype).eps) ** 0.5
        return tf.math.rsqrt(2.0 * tf.maximum(tf.abs(outputs - targets), floor))


@dataclass(frozen=True)
class Huber(Elementwise):
    """rho(e) = e^2 up to |e| = delta, delta (2 |e| - delta) beyond, halved (Huber 1964; Keras)."""

    delta: float = 1.0
    name: str = "huber"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of e^2 / 2 or delta (|e| - delta / 2); [rows]."""
        size = tf.abs(outputs - targets)
        inside = tf.minimum(size, self.delta)
        return tf.reduce_mean(0.5 * inside * inside + self.delta * (size - inside), axis=-1)

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Diagonal of F = sqrt(w) with w = min(1, delta / |e|) / 2; [rows, outputs]."""
        return tf.sqrt(0.5 * self.delta / tf.maximum(tf.abs(outputs - targets), self.delta))
