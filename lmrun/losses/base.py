"""What a loss offers: its value, and its residuals with the factor of the Gauss-Newton curvature.

A run reads `loss = sum_i w_i l_i / sum_i w_i` with l_i the loss of sample i. The algorithms minimize the cost

    cost = 1/2 scale sum_i w_i l_i,

which is 1/2 |r|^2 for the mean squared error. Its gradient is sum_i w_i J_i^T F_i r_i, and its Gauss-Newton
matrix sum_i w_i J_i^T F_i F_i^T J_i, J_i being the Jacobian of the outputs [outputs, n]. Every loss chooses r
and F so that the gradient is exact and the matrix positive semidefinite.
"""

from __future__ import annotations

from typing import Any, Protocol

Tensor = Any


class Loss(Protocol):
    """A loss over outputs z [rows, outputs] and targets."""

    @property
    def name(self) -> str:
        """The name in the config."""
        ...

    def scale(self, outputs: int) -> float:
        """Return `scale` above for a number of outputs."""
        ...

    def components(self, outputs: int) -> int:
        """Return the number q of residual components per sample."""
        ...

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return l [rows]."""
        ...

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return r [rows, q]."""
        ...

    def factor(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return F [rows, outputs, q]."""
        ...
