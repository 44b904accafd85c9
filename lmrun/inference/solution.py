"""A fit at its solution: the triangle of its Jacobian and residual, and what there was to explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmrun.inference.undefined import Float64
from lmrun.linalg.lapack import append_rows

EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Observed:
    """What there was to explain.

    Attributes:
        count: Number m of observations; those of weight zero are none.
        squares: sum w y^2.
        spread: sum w (y - mean)^2 about the weighted mean of each target.
        log_weights: sum log w.
        means: Number q of targets that have some weight, each with a mean.
    """

    count: int
    squares: float
    spread: float
    log_weights: float
    means: int = 1


def of_these(*values: Any) -> list[Any]:
    """Return sums as they are, where all rows are here."""
    return list(values)


def observe(
    targets: ArrayLike, weights: ArrayLike | None = None, total: Callable[..., list[Any]] = of_these
) -> Observed:
    """Sum targets up.

    Args:
        targets: y [rows] or [rows, targets].
        weights: w [rows], or one per target [rows, targets]; left out, ones.
        total: From sums over these rows to those over all rows.
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    given = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    w = np.broadcast_to(given[:, None] if given.ndim == 1 else given, y.shape)
    totals, sums = total(w.sum(axis=0), (w * y).sum(axis=0))
    mean = np.divide(sums, totals, out=np.zeros_like(totals), where=totals > 0)
    counted = w > 0
    count, squares, spread, log_weights = total(
        int(counted.sum()),
        float(np.sum(w * y**2)),
        float(np.sum(w * (y - mean) ** 2)),
        float(np.sum(np.log(w[counted]))),
    )
    means = int(np.sum(totals > 0))
    return Observed(count, squares, spread, log_weights, means)


def triangle_of(parts: Iterable[tuple[ArrayLike, ArrayLike]]) -> Float64:
    """Return the triangle [n + 1, n + 1] of the orthogonal factorization of [J, r].

    J^T J is never formed, which would square the condition number; nor is J whole. Source: Golub and Van Loan
    2013, Matrix Computations, section 6.5.3.

    Args:
        parts: Rows of J [some, n] and r [some], weighted by sqrt(w); at least one pair.
    """
    triangle: Float64 | None = None
    for jacobian, residual in parts:
        rows = np.column_stack([np.asarray(jacobian, np.float64), np.asarray(residual, np.float64)])
        if triangle is None:
            triangle = np.zeros((rows.shape[1], rows.shape[1]), order="F")
        append_rows(triangle, np.array(rows, order="F"))
    assert triangle is not None, "at least one part"
    return triangle


def joined(triangles: Sequence[Float64]) -> Float64:
    """Return the triangle of all rows from those of some rows each, see `triangle_of`."""
    first, *others = (np.array(one, order="F") for one in triangles)
    for other in others:
        append_rows(first, other, trapezoid=len(other))
    return first


@dataclass(frozen=True)
class Solution:
    """A least squares fit: weighted residual r [m] = sqrt(w) (f - y) and its Jacobian J [m, n].

    Attributes:
        names: Of the n parameters.
        params: Their values [n].
        triangle: See `triangle_of` [n + 1, n + 1].
        observed: What there was to explain.
        held: Parameters that were no unknowns of the fit (fixed, at a bound, tied), each with the reason. The
            answers for the others are those of a fit in which they stay where they are.
        known_sigma: Whether the weights are 1 / sigma^2 of known standard deviations; left out, they are
            relative, and the residuals say how large sigma is.
        epsilon: Of the arithmetic that made J and r.
    """

    names: tuple[str, ...]
    params: Float64
    triangle: Float64
    observed: Observed
    held: Mapping[str, str] = field(default_factory=dict)
    known_sigma: bool = False
    epsilon: float = EPSILON

    @property
    def finite(self) -> bool:
        """Whether J and r are finite."""
        return bool(np.isfinite(self.triangle).all())

    @property
    def free(self) -> tuple[int, ...]:
        """The places of the parameters that the fit was free to choose."""
        return tuple(place for place, name in enumerate(self.names) if name not in self.held)

    @cached_property
    def residual_sum_of_squares(self) -> float:
        """|r|^2, the squared last column."""
        last = self.triangle[:, -1]
        return float(last @ last)

    @property
    def jacobian(self) -> Float64:
        """Q^T J by the free parameters [n, k], which has the singular values of J."""
        chosen: Float64 = self.triangle[:-1, list(self.free)]
        return chosen
