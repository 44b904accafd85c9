"""Losses that bound the influence of outliers, as SciPy's `least_squares` defines them.

With z = (e / scale)^2 each is l = scale^2 rho(z), which is e^2 for small errors. As for all sums over
elements (`elementwise`), r = sqrt(w) e with F = sqrt(w), where w = l'(e) / (2 e) = rho'(z): the curvature of
iteratively reweighted least squares. rho is concave, so that it bounds l from above. The correction of
Triggs, McLauchlan, Hartley and Fitzgibbon 2000, Bundle adjustment - a modern synthesis, section 4.3, which
SciPy takes, has the second derivative 2 z rho'' in it besides; that is negative, and where rho' + 2 z rho''
is, has to be replaced by something. Both have the same gradient and thus the same minima.
Source: Holland and Welsch 1977, Robust regression using iteratively reweighted least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lmrun.losses.elementwise import Elementwise

Tensor = Any


@dataclass(frozen=True)
class Robust(Elementwise):
    """l = mean of scale^2 rho((e / scale)^2)."""

    scale_of_errors: float = 1.0

    def rho(self, z: Tensor) -> Tensor:
        """The function rho, [rows, outputs]."""
        raise NotImplementedError

    def weight(self, z: Tensor) -> Tensor:
        """Its derivative, [rows, outputs]."""
        raise NotImplementedError

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l; [rows]."""
        rho = self.rho(tf.square((outputs - targets) / self.scale_of_errors))
        return self.scale_of_errors**2 * tf.reduce_mean(rho, axis=-1)

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Diagonal of F = sqrt(rho'); [rows, outputs]."""
        return tf.sqrt(self.weight(tf.square((outputs - targets) / self.scale_of_errors)))


@dataclass(frozen=True)
class SoftL1(Robust):
    """rho = 2 (sqrt(1 + z) - 1), w = 1 / sqrt(1 + z): a smooth absolute value."""

    name: str = "soft_l1"

    def rho(self, z: Tensor) -> Tensor:
        """2 z / (sqrt(1 + z) + 1), which does not cancel."""
        return 2 * z / (tf.sqrt(1 + z) + 1)

    def weight(self, z: Tensor) -> Tensor:
        """1 / sqrt(1 + z)."""
        return tf.math.rsqrt(1 + z)


@dataclass(frozen=True)
class Cauchy(Robust):
    """rho = log(1 + z), w = 1 / (1 + z): the likelihood of errors with a Cauchy distribution."""

    name: str = "cauchy"

    def rho(self, z: Tensor) -> Tensor:
        """log(1 + z)."""
        return tf.math.log1p(z)

    def weight(self, z: Tensor) -> Tensor:
        """1 / (1 + z)."""
        return 1 / (1 + z)


@dataclass(frozen=True)
class Arctan(Robust):
    """rho = arctan(z), w = 1 / (1 + z^2): no error counts more than pi / 2."""

    name: str = "arctan"

    def rho(self, z: Tensor) -> Tensor:
        """arctan(z)."""
        return tf.atan(z)

    def weight(self, z: Tensor) -> Tensor:
        """1 / (1 + z^2)."""
        return 1 / (1 + tf.square(z))
