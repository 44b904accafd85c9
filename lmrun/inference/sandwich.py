"""The sandwich covariance of the estimates under a robust loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lmrun.inference.covariance import Factored
from lmrun.inference.solution import Solution
from lmrun.inference.statistics import no_freedom, perfect
from lmrun.inference.undefined import Float64, Undefined

STRAIGHT = 1e-9
"""The share of the curvature of iteratively reweighted least squares below which a loss does not bend."""


class Bent(NamedTuple):
    """Some observations at the solution of a robust fit, of the loss sum rho(e) / 2.

    Attributes:
        jacobian: sqrt(v) J [some, n] with v = rho'(e) / (2 e), the weight of reweighted least squares.
        residual: sqrt(v) e [some].
        bend: rho''(e) / (2 v) [some]: 1 for small errors, less for large ones, below zero where outliers
            count the less the farther they are.
    """

    jacobian: Float64
    residual: Float64
    bend: Float64


def sandwich(solution: Solution, factored: Factored, parts: Iterable[Bent]) -> Factored | Undefined:
    """Return the factors of the covariance of an M-estimator, or why there is none.

    With psi = rho' / 2 of every error, the estimates solve sum psi(e_i) j_i = 0, and their covariance is

        (J^T W J)^-1 B (J^T W J)^-1,  W = diag psi'(e_i),  B = m / (m - p) sum psi(e_i)^2 j_i j_i^T.

    The errors need neither the same variance nor a distribution that is known. As for least squares, the
    formula's own second derivatives are left out. Under mse it would be White's covariance.
    Source: Huber 1981, Robust Statistics, sections 6.3 and 7.6; the factor m / (m - p) is that of MacKinnon
    and White 1985, Some heteroskedasticity-consistent covariance matrix estimators with improved finite
    sample properties.

    J^T W J is not formed: with the root R of (J^T V J)^-1, for which U = sqrt(V) J R is orthonormal, the
    covariance is R M^-1 N M^-1 R^T, where M = U^T diag(bend) U and N = U^T diag(v e^2) U are small and well
    scaled.

    Args:
        solution: The fit, its triangle that of [sqrt(v) J, sqrt(v) e].
        factored: Its Jacobian.
        parts: All observations.

    Returns:
        The factors with a root of the whole covariance: its errors are for s = 1.
    """
    m, p = solution.observed.count, factored.rank
    why = no_freedom(m, p) if m <= p else perfect(solution)
    if why is not None:
        return why
    bread, meat = np.zeros((p, p)), np.zeros((p, p))
    for part in parts:
        rotated = part.jacobian[:, list(factored.places)] @ factored.root
        bread += (rotated.T * part.bend) @ rotated
        meat += (rotated.T * part.residual**2) @ rotated
    bends, directions = np.linalg.eigh(bread)
    if bends.min(initial=np.inf) <= STRAIGHT:
        return Undefined(
            "the loss does not bend upwards around the fit: too few residuals lie within its scale for it to "
            "tell standard errors"
        )
    sizes, ways = np.linalg.eigh(meat)
    inverse = (directions / bends) @ directions.T
    half = ways * np.sqrt(np.maximum(sizes, 0.0) * (m / (m - p)))
    return replace(factored, root=factored.root @ inverse @ half)
