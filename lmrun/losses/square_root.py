"""The square root of each term of a loss as a residual: least squares for any loss that is not negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lmrun.losses.base import Loss
from lmrun.losses.derivatives import pull, push, push_twice

Tensor = Any


class Summed(Loss, Protocol):
    """A loss that is the mean of terms, none of them negative."""

    def terms(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the terms [rows, q]; scale times the loss is their sum."""
        ...


@dataclass(frozen=True)
class SquareRoot:
    """r = sqrt(l), F = (dr/dz)^T = l' / (2 r), per term l of a loss.

    1/2 |r|^2 is the cost and F r the gradient, so it is Gauss-Newton of an ordinary least-squares problem.
    Its curvature l' l'^T / (4 l) has rank one per term and is not that of the loss: at l -> 0, where
    l' ~ l, it vanishes like l. torch-levenberg-marquardt fits classifiers so.
    """

    loss: Summed

    random = False

    @property
    def name(self) -> str:
        """That of the loss."""
        return self.loss.name

    def scale(self, outputs: int) -> float:
        """That of the loss."""
        return self.loss.scale(outputs)

    def components(self, outputs: int) -> int:
        """One per term: a loss that averages over outputs has one for each, others one per sample."""
        return int(self.loss.scale(outputs))

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Those of the loss."""
        return self.loss.values(outputs, targets)

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r = sqrt(l); [rows, q]."""
        # A cross-entropy below the smallest step of the floating-point type has lost its digits and may be
        # 0, but l' not yet. Bounded in r and F alike, F r stays the gradient.
        floor = float(np.finfo(outputs.dtype.as_numpy_dtype).eps)
        return tf.sqrt(tf.maximum(self.loss.terms(outputs, targets), floor))

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """The derivative of each residual by the outputs."""
        over = 0.5 / self.residual(outputs, targets)
        units = tf.unstack(tf.eye(over.shape[-1], dtype=over.dtype))
        return [pull(lambda z: self.loss.terms(z, targets), outputs, over * unit) for unit in units]

    def bent(
        self, outputs: Tensor, targets: Tensor, key: Tensor | None, first: Tensor, second: Tensor
    ) -> Tensor:
        """The terms' l_vv / (2 r) - l_v^2 / (4 r^3)."""

        def terms(z: Tensor) -> Tensor:
            return self.loss.terms(z, targets)

        root = self.residual(outputs, targets)
        slope, curvature = push(terms, outputs, first), push_twice(terms, outputs, first, second)
        return 0.5 * curvature / root - 0.25 * tf.square(slope) / root**3
