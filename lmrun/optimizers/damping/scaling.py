"""The diagonal D of the damped matrix J^T J + damping D."""

from __future__ import annotations

from collections.abc import Callable

from lmrun.linalg.algebra import Algebra, Vector

Scaling = Callable[[Algebra, Vector], Vector]
"""(algebra, diag J^T J [n]) -> D [n], positive."""

LEAST, MOST = 1e-6, 1e32
"""Bounds of diag(J^T J), as in Ceres (`min_lm_diagonal`, `max_lm_diagonal`)."""


def identity(algebra: Algebra, diagonal: Vector) -> Vector:
    """D = 1 (Levenberg 1944)."""
    return algebra.ones_like(diagonal)


def marquardt(algebra: Algebra, diagonal: Vector) -> Vector:
    """D = diag(J^T J), bounded: the step does not depend on the parameters' units (Marquardt 1963)."""
    return algebra.clip(diagonal, LEAST, MOST)


SCALINGS: dict[str, Scaling] = {"identity": identity, "marquardt": marquardt}
