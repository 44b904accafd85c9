"""How many parameters of a network its data determine, and the errors that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lmrun.inference.solution import Solution
from lmrun.inference.statistics import no_freedom, perfect
from lmrun.inference.undefined import Float64, Undefined

ROUNDS = 200
CLOSE = 1e-6
"""Relative, of the effective number of parameters."""


@dataclass(frozen=True)
class Effective:
    """The Gauss-Newton matrix of a network with as much damping as its weights ask for.

    Attributes:
        damping: alpha of J^T J + alpha.
        parameters: gamma, the effective number of parameters.
        degrees_of_freedom: m - gamma.
        residual_standard_deviation: s = sqrt(S / (m - gamma)).
        root: W [n, n] with W W^T = (J^T J + alpha)^-1.
    """

    damping: float
    parameters: float
    degrees_of_freedom: float
    residual_standard_deviation: float
    root: Float64

    def lengths(self, gradients: Float64) -> Float64:
        """sqrt(g^T (J^T J + alpha)^-1 g) of each gradient [rows, n]; [rows]."""
        lengths: Float64 = np.linalg.norm(gradients @ self.root, axis=1)
        return lengths


def effective_number(singular: Float64, damping: float) -> float:
    """Gamma = tr(J (J^T J + alpha)^-1 J^T) = sum s^2 / (s^2 + alpha), s being the singular values of J."""
    squares = singular**2
    return float(np.sum(squares / (squares + damping)))


def effective(solution: Solution) -> Effective | Undefined:
    """Return the effective number of parameters, or why there is none.

    Networks are never determined by their data: units can be exchanged, and some do nothing. A normal prior
    of the weights, whose width the weights themselves tell, makes their errors finite. The damping is that
    ratio of variances at which

        alpha = (gamma / |theta|^2) (S / (m - gamma)),  gamma = tr(J (J^T J + alpha)^-1 J^T).

    Source: MacKay 1992, A practical Bayesian framework for backpropagation networks.
    """
    m, squares = solution.observed.count, solution.residual_sum_of_squares
    why = perfect(solution)
    if why is not None:
        return why
    _, singular, rows = np.linalg.svd(solution.jacobian, full_matrices=True)
    singular = np.pad(singular, (0, len(rows) - len(singular)))
    weights = float(solution.params @ solution.params)
    rank = int(np.sum(singular > m * solution.epsilon * singular.max(initial=0.0)))
    # Below this a damping is lost in the rounding of J.
    least = (m * solution.epsilon * singular.max(initial=0.0)) ** 2
    if not weights or not rank:
        return Undefined("no parameter has an effect")
    gamma = min(rank, 0.9 * m)
    damping = least
    for _ in range(ROUNDS):
        damping = max(least, gamma / weights * squares / (m - gamma))
        before, gamma = gamma, min(effective_number(singular, damping), 0.999 * m)
        if abs(gamma - before) <= CLOSE * before:
            break
    if gamma > 0.99 * m:
        return no_freedom(m, rank)
    return Effective(
        damping=damping,
        parameters=gamma,
        degrees_of_freedom=m - gamma,
        residual_standard_deviation=math.sqrt(squares / (m - gamma)),
        root=rows.T / np.sqrt(singular**2 + damping),
    )
