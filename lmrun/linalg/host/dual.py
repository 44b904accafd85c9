"""J itself, for fewer rows m than parameters n: matrices [m, m]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs

from lmrun.linalg.algebra import UNRESOLVED, in_turn
from lmrun.linalg.host.gram import factorize, solve_factorized
from lmrun.linalg.host.system import HostCurvature, HostSystem

Array = NDArray[np.floating]


@dataclass(frozen=True)
class HostDualSystem(HostSystem):
    """The Cholesky factor [m, m] of K + damping, K = J D^-1 J^T; `largest` is of the diagonal of K."""

    curvature: HostDual
    damping: float
    scaling: Array
    largest: float
    factor: Array

    def step(self) -> Array | None:
        """From the residual itself, unless the gradient is another."""
        curvature = self.curvature
        return self.turn(curvature.table[-1]) if curvature.foreign is None else self.solve(-curvature.foreign)

    def turn(self, bent: Array) -> Array | None:
        """-(J^T J + damping D)^-1 J^T r = -D^-1 J^T (K + damping)^-1 r for r [m]; the damping may be 0."""
        solution = solve_factorized(self.factor, bent)
        return None if solution is None else _finite(-(self.curvature.transposed @ solution) / self.scaling)

    def solve(self, right: Array) -> Array | None:
        """(b - J^T (K + damping)^-1 J D^-1 b) / (damping D), Woodbury's identity.

        None where the damping is lost beside K: the difference has no digits left then.
        """
        transposed = self.curvature.transposed
        if not self.damping > UNRESOLVED * np.finfo(transposed.dtype).eps * self.largest:
            return None
        inner = solve_factorized(self.factor, (right / self.scaling) @ transposed)
        return (
            None if inner is None else _finite((right - transposed @ inner) / (self.damping * self.scaling))
        )


@dataclass
class HostDual(HostCurvature):
    """The whole table [J, r]^T [n + 1, m]. K = J D^-1 J^T is kept for all dampings of one scaling.

    Source: the identity (J^T J + A)^-1 J^T = A^-1 J^T (J A^-1 J^T + 1)^-1; Golub and Van Loan 2013, Matrix
    Computations, section 2.1.4.

    Attributes:
        table: In C order.
        foreign: The gradient [n], where it is not J^T r.
    """

    table: Array
    foreign: Array | None = None
    _known: tuple[Array, Array] | None = field(default=None, repr=False)

    @property
    def transposed(self) -> Array:
        """J^T [n, m]."""
        return self.table[:-1]

    @cached_property
    def gradient(self) -> Array:
        """[n]."""
        if self.foreign is not None:
            return self.foreign
        product: Array = self.transposed @ self.table[-1]
        return product

    @property
    def diagonal(self) -> Array:
        """[n]."""
        squares: Array = np.einsum("ij,ij->i", self.transposed, self.transposed)
        return squares

    def system(self, damping: float, scaling: Array) -> HostSystem | None:
        """Cholesky factorization of K + damping."""
        damped = self._product(scaling).copy(order="F")
        diagonal = np.einsum("ii->i", damped)
        largest = float(np.max(diagonal, initial=0.0))
        # A row that depends on no parameter, such as one of weight zero, has no say and no singular matrix.
        diagonal[diagonal == 0] = largest or 1.0
        diagonal += damping
        factor = factorize(damped)
        return None if factor is None else HostDualSystem(self, damping, scaling, largest, factor)

    def whole(self) -> Array | None:
        """The shortest of the steps that make the linear model zero; None where rows depend on each other."""
        system = self.system(0.0, np.ones(len(self.transposed), self.table.dtype))
        return None if system is None else system.step()

    def squared(self, vector: Array) -> float:
        """|J v|^2."""
        image = vector @ self.transposed
        return float(image @ image)

    def _product(self, scaling: Array) -> Array:
        """Lower triangle of K [m, m]."""
        if self._known is None or self._known[0] is not scaling:
            scaled = (self.transposed / np.sqrt(scaling)[:, None]).T
            syrk = get_blas_funcs("syrk", (scaled,))
            self._known = scaling, syrk(1.0, scaled, lower=1)
        return self._known[1]


def _finite(vector: Array) -> Array | None:
    return vector if np.isfinite(vector).all() else None


@dataclass(frozen=True)
class DualAssembly:
    """All tables side by side, in the order of the chunks."""

    dtype: np.dtype[Any]
    by_rows: bool = True

    def start(self, size: int) -> list[Array]:
        """No table yet."""
        return []

    def add(self, part: list[Array], table: Any) -> list[Array]:
        """A view."""
        return [*part, np.asarray(table)]

    def finish(self, parts: Sequence[list[Array]], gradient: Any = None) -> HostDual:
        """[n + 1, m] in C order."""
        table = np.concatenate(in_turn(parts), axis=1)
        return HostDual(np.ascontiguousarray(table), None if gradient is None else np.asarray(gradient))
