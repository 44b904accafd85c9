"""Newton's step with a modified Cholesky factorization, see `linalg.modified`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.host.gram import HostGram, factorize, solve_factorized, symmetrized
from lmrun.linalg.modified import GROWTH, MOST_FACTORIZATIONS, epsilon_of, first_shift

Array = NDArray[np.floating]


class Modified(NamedTuple):
    """H + tau D = L L^T.

    Attributes:
        shift: tau.
        scaling: D [n].
        factor: L [n, n] in the lower triangle.
    """

    shift: float
    scaling: Array
    factor: Array


def modified_cholesky(matrix: Array) -> Modified | None:
    """Factor H + tau D with tau = 0 where H is positive definite, or return None where H is not finite.

    Args:
        matrix: H [n, n]; only the lower triangle is read.
    """
    whole = symmetrized(matrix)
    if not np.all(np.isfinite(whole)):
        return None
    diagonal, scaling = np.diagonal(whole), column_norms(whole)
    least, epsilon = first_shift(whole.dtype), epsilon_of(whole.dtype)
    negative = float(np.max(-diagonal / scaling))
    shift = 0.0 if negative < 0 else negative + least
    for _ in range(MOST_FACTORIZATIONS):
        shifted = diagonal + shift * scaling
        damped = np.array(whole, order="F")
        np.fill_diagonal(damped, shifted)
        factor = factorize(damped)
        if factor is not None and np.all(np.diagonal(factor) ** 2 > len(whole) * epsilon * shifted):
            return Modified(shift, scaling, factor)
        shift = max(GROWTH * shift, least)
    return None


def column_norms(matrix: Array) -> Array:
    """Return |H_j|_2 [n], at least epsilon of the largest; ones for a matrix of zeros."""
    norms: Array = np.linalg.norm(matrix, axis=0)
    largest = float(np.max(norms))
    return np.maximum(norms, epsilon_of(matrix.dtype) * largest) if largest > 0 else np.ones_like(norms)


@dataclass(frozen=True)
class HostModified(HostGram):
    """A symmetric matrix whose whole step goes downhill."""

    def whole(self) -> Array | None:
        """-(H + tau D)^-1 gradient."""
        return self._step

    @cached_property
    def _step(self) -> Array | None:
        modified = modified_cholesky(self.matrix)
        return None if modified is None else solve_factorized(modified.factor, -self.gradient)
