"""Losses that add up over the elements of e = outputs - targets: mse, mae, huber.

Each is rho(e) per element, written as a weighted square: r = sqrt(w) e with F = sqrt(w), w = rho'(e) / (2 e).
The gradient is exact; the curvature is that of iteratively reweighted least squares, which bounds rho from
above, so that an undamped step cannot overshoot as that of the residual sign(e) sqrt(rho(e)) does (it would
land at -e).
Source: Holland and Welsch 1977, Robust regression using iteratively reweighted least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any


def _diagonal(weights: Tensor) -> Tensor:
    """[rows, outputs] to the diagonal factor [rows, outputs, outputs]."""
    return tf.linalg.diag(weights)


class _Elementwise:
    """What the three share: the sample's loss is the mean over its outputs."""

    def scale(self, outputs: int) -> float:
        """The cost adds elements up, the loss averages them."""
        return float(outputs)

    def components(self, outputs: int) -> int:
        """One residual per output."""
        return outputs


@dataclass(frozen=True)
class MeanSquaredError(_Elementwise):
    """rho(e) = e^2."""

    name: str = "mse"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of e^2; [rows]."""
        return tf.reduce_mean(tf.square(outputs - targets), axis=-1)

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = e; [rows, outputs]."""
        return outputs - targets

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Factor F = 1; [rows, outputs, outputs]."""
        return _diagonal(tf.ones_like(outputs))


@dataclass(frozen=True)
class MeanAbsoluteError(_Elementwise):
    """rho(e) = |e|, w = 1 / (2 |e|)."""

    name: str = "mae"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of |e|; [rows]."""
        return tf.reduce_mean(tf.abs(outputs - targets), axis=-1)

    def _root_weight(self, error: Tensor) -> Tensor:
        # The weight of e = 0 is infinite; below the root of the smallest step of the floating-point type an
        # error is an exact fit as far as a squared quantity can tell.
        floor = tf.constant(error.dtype.as_numpy_dtype(_epsilon(error)) ** 0.5, error.dtype)
        return tf.math.rsqrt(2.0 * tf.maximum(tf.abs(error), floor))

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = e / sqrt(2 |e|); [rows, outputs]."""
        error = outputs - targets
        return error * self._root_weight(error)

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Factor F = diag(1 / sqrt(2 |e|)); [rows, outputs, outputs]."""
        return _diagonal(self._root_weight(outputs - targets))


@dataclass(frozen=True)
class Huber(_Elementwise):
    """rho(e) = e^2 up to |e| = delta, delta (2 |e| - delta) beyond, halved (Huber 1964; Keras)."""

    delta: float = 1.0
    name: str = "huber"

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l = mean of e^2 / 2 or delta (|e| - delta / 2); [rows]."""
        size = tf.abs(outputs - targets)
        inside = tf.minimum(size, self.delta)
        return tf.reduce_mean(0.5 * inside * inside + self.delta * (size - inside), axis=-1)

    def _root_weight(self, error: Tensor) -> Tensor:
        return tf.sqrt(0.5 * self.delta / tf.maximum(tf.abs(error), self.delta))

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = sqrt(w) e with w = min(1, delta / |e|) / 2; [rows, outputs]."""
        error = outputs - targets
        return error * self._root_weight(error)

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Factor F = diag(sqrt(w)); [rows, outputs, outputs]."""
        return _diagonal(self._root_weight(outputs - targets))


def _epsilon(tensor: Tensor) -> float:
    return {"float32": 2.0**-23, "float64": 2.0**-52}[tensor.dtype.name]
