"""The covariance of the estimates, by singular values of the column-scaled Jacobian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lmrun.inference.solution import Solution
from lmrun.inference.undefined import Float64, Undefined

MIXED = 1e-6
"""The share of a parameter in the directions without effect from which on it is counted among them. Rounding
leaves shares of about epsilon over the next singular value."""


@dataclass(frozen=True)
class Factored:
    """J D^-1 = U S V^T with the norms of J's columns on the diagonal of D, singular values of zero left out.

    Scaled columns make the rank a property of the fit, not of the parameters' units. The covariance of what
    the data determine is then s^2 W W^T with W = D^-1 V S^-1: the inverse of J^T J without J^T J.
    Source: Björck 1996, Numerical Methods for Least Squares Problems, sections 1.2 and 2.8.

    Attributes:
        places: Of the k free parameters among all.
        root: W [k, rank].
        shares: The share of each free parameter in the null space of J, from 0 to 1 [k].
        null: Its directions D^-1 V [k, k - rank].
        scales: The diagonal of D [k].
    """

    places: tuple[int, ...]
    root: Float64
    shares: Float64
    null: Float64
    scales: Float64

    @property
    def rank(self) -> int:
        """Number of independent directions that the data determine."""
        return int(self.root.shape[1])

    @property
    def deviations(self) -> Float64:
        """sqrt(diag W W^T) [k]: standard errors for s = 1."""
        norms: Float64 = np.linalg.norm(self.root, axis=1)
        return norms

    def covariance(self) -> Float64:
        """W W^T [k, k]."""
        matrix: Float64 = self.root @ self.root.T
        return matrix

    def lengths(self, gradients: Float64) -> Float64:
        """sqrt(g^T W W^T g) of each gradient [rows, k]; NaN where g has a share in the null space [rows]."""
        lengths: Float64 = np.linalg.norm(gradients @ self.root, axis=1)
        if self.null.shape[1]:
            outside = np.linalg.norm(gradients @ self.null, axis=1)
            whole = np.linalg.norm(gradients / self.scales, axis=1)
            lengths = np.where(outside > MIXED * whole, np.nan, lengths)
        return lengths


def factor(solution: Solution) -> Factored:
    """Factor the Jacobian of the free parameters."""
    jacobian = solution.jacobian
    places = solution.free
    norms = np.linalg.norm(jacobian, axis=0)
    scales = np.where(norms > 0, norms, 1.0)
    # A column of zeros is a singular vector by itself; apart from the others it mixes with none of them.
    order = np.argsort(norms == 0, kind="stable")
    seen = int(np.sum(norms > 0))
    _, singular, inside = np.linalg.svd((jacobian / scales)[:, order[:seen]], full_matrices=True)
    rows = np.eye(len(places))
    rows[:seen, :seen] = inside
    rows = rows[:, np.argsort(order)]
    # As numpy.linalg.matrix_rank: what rounding in m rows may leave of a zero.
    floor = max(solution.observed.count, len(places)) * solution.epsilon * singular.max(initial=0.0)
    rank = int(np.sum(singular > floor))
    kept, lost = rows[:rank].T, rows[rank:].T
    return Factored(
        places=places,
        root=kept / scales[:, None] / singular[:rank],
        shares=np.linalg.norm(lost, axis=1),
        null=lost / scales[:, None],
        scales=scales,
    )


def rank_of(jacobian: Float64, epsilon: float) -> int:
    """Return the rank of J [m, k] by the singular values of its scaled columns, as `factor` does.

    Args:
        jacobian: J, finite.
        epsilon: Of the arithmetic that made it.
    """
    norms = np.linalg.norm(jacobian, axis=0)
    singular = np.linalg.svd(jacobian / np.where(norms > 0, norms, 1.0), compute_uv=False)
    floor = max(jacobian.shape) * epsilon * singular.max(initial=0.0)
    return int(np.sum(singular > floor))


def mixed(factored: Factored, names: Sequence[str]) -> dict[str, Undefined]:
    """Return why the free parameters have no standard error that the data do not determine.

    Args:
        factored: Of the fit.
        names: Of all parameters.
    """
    weak = [
        names[place] for place, share in zip(factored.places, factored.shares, strict=True) if share > MIXED
    ]
    return {name: Undefined(_why(name, weak, factored, names)) for name in weak}


def _why(name: str, weak: Sequence[str], factored: Factored, names: Sequence[str]) -> str:
    place = factored.places.index(list(names).index(name))
    if factored.shares[place] > 1 - MIXED:
        return "it has no effect on the residuals"
    shares = dict(zip((names[where] for where in factored.places), factored.shares, strict=True))
    weak = [other for other in weak if shares[other] <= 1 - MIXED]
    together = " and ".join([", ".join(weak[:-1]), weak[-1]]) if len(weak) > 1 else name
    directions = factored.null[:, np.abs(factored.scales[place] * factored.null[place]) > MIXED]
    if directions.shape[1] == 1:
        direction = directions[:, 0] / directions[np.abs(directions[:, 0]).argmax(), 0]
        parts = [
            f"{names[where]} {'+' if amount > 0 else '−'} {abs(amount):.3g} h"
            for where, amount in zip(factored.places, direction, strict=True)
            if names[where] in weak
        ]
        return f"the data determine {together} only together: {', '.join(parts)} fits as well for any small h"
    return f"the data determine only combinations of {together}"
