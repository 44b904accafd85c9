"""J by its orthogonal factorization: what `qr` solves with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.host.system import HostPenalizable, HostSystem
from lmrun.linalg.lapack import append_rows, is_singular, solve_triangle
from lmrun.linalg.sharing import Sums

Array = NDArray[np.floating]


@dataclass(frozen=True)
class HostTriangularSystem(HostSystem):
    """The triangle R [n, n] of [J; (damping D)^(1/2)], and Q^T [r; 0] or a gradient, each [n]."""

    factor: Array
    rotated: Array
    gradient: Array | None

    def step(self) -> Array | None:
        """R v = -Q^T [r; 0]: the error is that of the least squares problem, not of its squared matrix."""
        if self.gradient is not None:
            return self.solve(-self.gradient)
        return solve_triangle(self.factor, -self.rotated)

    def solve(self, right: Array) -> Array | None:
        """The seminormal equations R^T R x = right.

        Their error grows with the square of the condition number. For a geodesic acceleration that is good
        enough: a correction of second order vanishes with the steps and takes no digits from the solution.
        """
        halfway = solve_triangle(self.factor, right, transposed=True)
        return None if halfway is None else solve_triangle(self.factor, halfway)


@dataclass(frozen=True)
class HostTriangle(HostPenalizable):
    """The triangle of the QR factorization of [J, r], [n + 1, n + 1]: R, and beside it Q^T r.

    R is all that is needed: a damped step has the triangle of [R; (damping D)^(1/2)], whatever the number of
    rows, and the rows are factored once for all dampings.
    Source: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory, section 3.

    Attributes:
        triangle: [n + 1, n + 1] in Fortran order, zeros below.
        foreign: The gradient [n], where it is not J^T r.
    """

    triangle: Array
    foreign: Array | None = None

    @cached_property
    def gradient(self) -> Array:
        """J^T r = R^T Q^T r [n]."""
        if self.foreign is not None:
            return self.foreign
        product: Array = self.triangle[:-1, :-1].T @ self.triangle[:-1, -1]
        return product

    @property
    def diagonal(self) -> Array:
        """Squared columns of R [n]."""
        factor = self.triangle[:-1, :-1]
        squares: Array = np.einsum("ij,ij->j", factor, factor)
        return squares

    def system(self, damping: float, scaling: Array) -> HostSystem | None:
        """The triangle takes in the rows (damping D)^(1/2)."""
        damped = self.triangle.copy(order="F")
        rows = np.zeros((len(scaling), len(damped)), damped.dtype, order="F")
        np.fill_diagonal(rows, np.sqrt(damping * scaling))
        append_rows(damped, rows, trapezoid=len(rows))
        return self._solvable(damped)

    def whole(self) -> Array | None:
        """R v = -Q^T r, unless R is singular to working precision whatever the parameters' units.

        The error of the solution does not depend on the lengths of the columns (van der Sluis 1969), so they
        are 1 for the test.
        """
        system = self._solvable(self.triangle)
        lengths = np.linalg.norm(system.factor, axis=0)
        if not np.all(lengths > 0) or is_singular(np.asfortranarray(system.factor / lengths)):
            return None
        return system.step()

    def squared(self, vector: Array) -> float:
        """|R v|^2."""
        image = self.triangle[:-1, :-1] @ vector
        return float(image @ image)

    def penalized(self, strength: float, params: Array) -> HostTriangle:
        """The triangle takes in the rows strength^(1/2) [1, params]."""
        appended = self.triangle.copy(order="F")
        size, root = len(params), math.sqrt(strength)
        rows = np.zeros((size, size + 1), appended.dtype, order="F")
        np.fill_diagonal(rows, root)
        rows[:, -1] = root * params
        append_rows(appended, rows, trapezoid=size)
        return HostTriangle(appended, None if self.foreign is None else self.foreign + strength * params)

    def eigenvalues(self) -> NDArray[np.float64]:
        """The squared singular values of R, which keep twice the digits."""
        factor = self.triangle[:-1, :-1]
        if not np.isfinite(factor).all():
            return np.full(len(factor), np.nan)
        return np.square(np.linalg.svd(factor, compute_uv=False)[::-1].astype(np.float64))

    def _solvable(self, triangle: Array) -> HostTriangularSystem:
        return HostTriangularSystem(np.asfortranarray(triangle[:-1, :-1]), triangle[:-1, -1], self.foreign)


@dataclass(frozen=True)
class TriangleAssembly:
    """Chunk after chunk is appended to the triangle; neither J nor Q is ever whole."""

    dtype: np.dtype[Any]
    by_rows: bool = False

    def start(self, size: int) -> Array:
        """[n + 1, n + 1] in Fortran order."""
        return np.zeros((size, size), self.dtype, order="F")

    def add(self, part: Array, table: Any) -> Array:
        """The table [n + 1, rows] in C order is [J, r] in Fortran order; LAPACK overwrites the copy."""
        append_rows(part, np.array(table, order="C").T)
        return part

    def shared(self, parts: Sequence[Array], sums: Sums, *more: Any) -> tuple[Array, list[Any]]:
        """A sum of squares would lose half of the digits: every worker is given the triangles of all."""
        triangles = sums.stack(self._joined(parts))
        return self._joined([np.array(one, order="F") for one in triangles]), sums.total(*more)

    def finish(self, parts: Sequence[Array], gradient: Any = None) -> HostTriangle:
        """One triangle appends to the other."""
        return HostTriangle(self._joined(parts), None if gradient is None else np.asarray(gradient))

    def _joined(self, parts: Sequence[Array]) -> Array:
        total, *others = parts
        for more in others:
            append_rows(total, more, trapezoid=len(more))
        return total
