"""The dense algebra that an optimizer composes, on the host or on the device behind one protocol.

A vector or matrix is a NumPy array on the host and a TensorFlow tensor on the device; an optimizer never
looks inside. Methods that return floats wait for the device, all others do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Vector = Any
Matrix = Any
Bend = Callable[[Any], Vector]
"""From the tensor of a step v [n] to J^T r_vv [n], r_vv being the second derivative of residuals along v."""

MOST_BENT = 0.75
"""The largest 2 |a| / |v| of an accelerated step (Transtrum and Sethna 2012, section 3, their alpha)."""


@dataclass(frozen=True)
class StepScalars:
    """What is known of a solved step before its loss.

    Attributes:
        valid: Whether the factorization succeeded and the step is finite.
        predicted_reduction: Of the cost by the quadratic model, 1/2 step^T (damping D step - gradient).
        step_norm: |step|_2.
        params_norm: |params|_2.
    """

    valid: bool
    predicted_reduction: float
    step_norm: float
    params_norm: float


INVALID = StepScalars(False, math.nan, math.nan, math.nan)
"""A step whose matrix could not be factored."""


class Algebra(Protocol):
    """Dense linear algebra in one floating-point type.

    Attributes:
        dtype: `float32` or `float64`.
        workers: Threads that may use it at a time.
    """

    dtype: Any
    workers: int

    def zeros(self, size: int) -> tuple[Matrix, Vector]:
        """Return an [n, n] matrix and an [n] vector of zeros."""
        ...

    def add_rows(self, gram: Matrix, gradient: Vector, jacobian: Any, residual: Any) -> tuple[Matrix, Vector]:
        """Return gram + J^T J (lower triangle) and gradient + J^T r, from J^T [n, m] and r [m]."""
        ...

    def adopt(self, tensor: Any) -> Any:
        """Take a tensor, a full symmetric matrix [n, n] or a vector [n], into the algebra's own form."""
        ...

    def diagonal(self, gram: Matrix) -> Vector:
        """Return the diagonal [n]."""
        ...

    def ones_like(self, vector: Vector) -> Vector:
        """Return ones [n]."""
        ...

    def clip(self, vector: Vector, low: float, high: float) -> Vector:
        """Bound every element."""
        ...

    def largest(self, vector: Vector) -> float:
        """Return the largest |element|."""
        ...

    def damped_step(
        self,
        gram: Matrix,
        gradient: Vector,
        damping: float,
        scaling: Vector,
        params: Any,
        *,
        bend: Bend | None = None,
    ) -> tuple[Any, StepScalars]:
        """Solve (gram + damping D) v = -gradient and return the tensor params + step and the step's scalars.

        Without `bend` the step is v. With it, the same factor solves (gram + damping D) a = -bend(v), and the
        step is v + a / 2 unless 2 |a| > MOST_BENT |v|, where the second order is no small correction: then v.
        """
        ...

    def newton_step(self, hessian: Matrix, gradient: Vector, params: Any) -> tuple[Any, StepScalars]:
        """Solve hessian step = -gradient for a symmetric matrix; invalid where it is singular."""
        ...
