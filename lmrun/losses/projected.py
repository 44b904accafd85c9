"""A few random projections of a loss's curvature, with the exact gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from lmrun.losses.base import Loss, Metric

Tensor = Any


class Projectable(Loss, Protocol):
    """A loss that multiplies its factor with any vector."""

    def project(self, outputs: Tensor, targets: Tensor, vector: Tensor) -> Tensor:
        """Return F v [rows, outputs] for v [rows, outputs]."""
        ...


@dataclass(frozen=True)
class Projected(Metric):
    """F E in place of F, E [outputs, projections] = random signs / sqrt(projections), fresh in every step.

    E[E E^T] = 1, so the matrix J^T F E E^T F^T J is the exact one on average, for `projections` backward
    passes in place of one per class; over thousands of samples the noise averages out. It is positive
    semidefinite whatever is drawn. The gradient stays exact, by one more backward pass.
    Source: the signs are those of Hutchinson 1989, A stochastic estimator of the trace of the influence
    matrix; per sample in a factor of the curvature, Martens, Sutskever and Swersky 2012, Estimating the
    Hessian by back-propagating curvature, section 4.
    """

    loss: Projectable
    projections: int

    random = True

    @property
    def name(self) -> str:
        """That of the loss."""
        return self.loss.name

    def scale(self, outputs: int) -> float:
        """That of the loss."""
        return self.loss.scale(outputs)

    def components(self, outputs: int) -> int:
        """One per projection."""
        return self.projections

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Those of the loss."""
        return self.loss.values(outputs, targets)

    def residual(self, outputs: Tensor, targets: Tensor) -> None:
        """None: the gradient is in general no combination of the projections."""
        return

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """F e for random signs e, over sqrt(projections)."""
        assert key is not None, "projections are drawn from a key"
        shape = (self.projections, *outputs.shape)
        bits = tf.random.stateless_uniform(
            shape, seed=key, minval=None, maxval=None, dtype=tf.int32, alg="philox"
        )
        size = tf.constant(self.projections**-0.5, outputs.dtype)
        return [
            self.loss.project(outputs, targets, signs)
            for signs in tf.unstack(tf.where(bits < 0, -size, size))
        ]
