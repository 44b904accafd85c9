"""What a loss offers: its value, and its residuals with the factor of the Gauss-Newton curvature.

A run reads `loss = sum_i w_i l_i / sum_i w_i` with l_i the loss of sample i. The algorithms minimize the cost

    cost = 1/2 scale sum_i w_i l_i,

which is 1/2 |r|^2 for the mean squared error. With J_i the Jacobian of the outputs [outputs, n], its
Gauss-Newton matrix is sum_i w_i J_i^T F_i F_i^T J_i, F_i [outputs, q] being a factor of the curvature in the
outputs; where a loss has residuals r_i [q], its gradient is sum_i w_i J_i^T F_i r_i. Every loss chooses F and
r so that the gradient is exact and the matrix positive semidefinite.

F is never built: a loss gives its columns, each of which one backward pass turns into a row of F_i^T J_i per
sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import tensorflow as tf

from lmrun.losses.derivatives import pull

Tensor = Any


class Loss(Protocol):
    """A loss over outputs z [rows, outputs] and targets."""

    @property
    def name(self) -> str:
        """The name in the config."""
        ...

    @property
    def random(self) -> bool:
        """Whether `columns` draws, and needs a key."""
        ...

    def scale(self, outputs: int) -> float:
        """Return `scale` above for a number of outputs."""
        ...

    def components(self, outputs: int) -> int:
        """Return the number q of columns of F per sample."""
        ...

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return l [rows]."""
        ...

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Return r [rows, q], or None where F r cannot be the gradient, which is then computed by itself."""
        ...

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """Return the q columns of F, each [rows, outputs].

        Args:
            outputs: z.
            targets: As the loss expects them.
            key: int32 [2]; decides what a random loss draws.
        """
        ...

    def bent(
        self, outputs: Tensor, targets: Tensor, key: Tensor | None, first: Tensor, second: Tensor
    ) -> Tensor:
        """Return r_vv [rows, q], the second derivative of the residuals along a curve of outputs.

        With residuals r(z) and F = (dr/dz)^T it is d2r/dz2 [z_v, z_v] + F^T z_vv. A factor that is no
        derivative of residuals stands for a metric of the outputs: r_vv = F^T z_vv.

        Args:
            outputs: z.
            targets: As the loss expects them.
            key: As for `columns`.
            first: z_v, the first derivative of the outputs along the curve [rows, outputs].
            second: z_vv, the second one [rows, outputs].
        """
        ...


def curve(columns: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Return F F^T v [rows, outputs] for the columns of F and v [rows, outputs]."""
    return sum(column * tf.reduce_sum(column * vector, axis=-1, keepdims=True) for column in columns)


class Metric:
    """What losses share whose factor is no derivative of residuals."""

    random = False

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """See `Loss`."""
        raise NotImplementedError

    def bent(
        self, outputs: Tensor, targets: Tensor, key: Tensor | None, first: Tensor, second: Tensor
    ) -> Tensor:
        """F^T z_vv; see `Loss`."""
        columns = self.columns(outputs, targets, key)
        return tf.stack([tf.reduce_sum(column * second, axis=-1) for column in columns], axis=-1)


class Diagonal(Metric):
    """What losses share that are sums over outputs: F is diagonal, one component per output."""

    def root(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the diagonal of F [rows, outputs]."""
        raise NotImplementedError

    def scale(self, outputs: int) -> float:
        """The cost adds outputs up, the loss averages them."""
        return float(outputs)

    def components(self, outputs: int) -> int:
        """One per output."""
        return outputs

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """Unit vectors times the diagonal."""
        root = self.root(outputs, targets)
        return [root * unit for unit in tf.unstack(tf.eye(outputs.shape[-1], dtype=outputs.dtype))]

    def project(self, outputs: Tensor, targets: Tensor, vector: Tensor) -> Tensor:
        """F v [rows, outputs] for v [rows, outputs]."""
        return self.root(outputs, targets) * vector


def slope(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the derivative of each sample's cost by its outputs, 1/2 scale dl/dz; [rows, outputs]."""
    half = tf.fill([outputs.shape[0]], tf.constant(0.5 * loss.scale(outputs.shape[-1]), outputs.dtype))
    return pull(lambda z: loss.values(z, targets), outputs, half)
