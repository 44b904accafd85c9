"""How well a fit describes its data: residual standard deviation, R^2 and information criteria."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lmrun.inference.covariance import Factored
from lmrun.inference.solution import Solution
from lmrun.inference.undefined import Answer, Undefined

ROUNDING = 1e3
"""Multiples of epsilon |y| up to which residuals are taken for rounding noise: the last three of sixteen
digits are what a formula's own rounding and data written with thirteen digits leave undecided (the residuals
of NIST's Lanczos1, exact values rounded to thirteen digits, are 388 epsilon)."""

CONVERGED = 1e-3
"""The relative offset up to which a fit is at its minimum (Bates and Watts 1981: what is nearer changes no
inference)."""


@dataclass(frozen=True)
class Statistics:
    """Statistics of a fit of m observations by p parameters, p being the rank of the Jacobian.

    Attributes:
        observations: m.
        parameters: p.
        degrees_of_freedom: m - p.
        residual_sum_of_squares: S = |r|^2, weights included; not defined under a robust loss.
        residual_standard_deviation: s = sqrt(S / (m - p)).
        r_squared: 1 - S / sum w (y - mean)^2.
        adjusted_r_squared: 1 - (1 - R^2) (m - q) / (m - p), the spread being about the means of q targets.
        log_likelihood: log L at its maximum, see `log_likelihood`.
        aic: 2 k - 2 log L (Akaike 1974); k is p, and one more where sigma is estimated.
        aicc: aic + 2 k (k + 1) / (m - k - 1) (Hurvich and Tsai 1989).
        bic: k log m - 2 log L (Schwarz 1978).
        relative_offset: How far the fit is from its minimum, see `relative_offset`.
    """

    observations: int
    parameters: int
    degrees_of_freedom: int
    residual_sum_of_squares: Answer
    residual_standard_deviation: Answer
    r_squared: Answer
    adjusted_r_squared: Answer
    log_likelihood: Answer
    aic: Answer
    aicc: Answer
    bic: Answer
    relative_offset: Answer


def statistics(solution: Solution, factored: Factored) -> Statistics:
    """Return the statistics of a fit."""
    m, p = solution.observed.count, factored.rank
    ratio = r_squared(solution)
    likelihood = log_likelihood(solution, factored)
    k = p + (not solution.known_sigma)
    return Statistics(
        observations=m,
        parameters=p,
        degrees_of_freedom=max(0, m - p),
        residual_sum_of_squares=solution.residual_sum_of_squares,
        residual_standard_deviation=residual_standard_deviation(solution, p),
        r_squared=ratio,
        adjusted_r_squared=_adjusted(ratio, m, p, solution.observed.means),
        log_likelihood=likelihood,
        aic=likelihood if isinstance(likelihood, Undefined) else 2 * k - 2 * likelihood,
        aicc=_aicc(likelihood, m, k),
        bic=likelihood if isinstance(likelihood, Undefined) else k * math.log(m) - 2 * likelihood,
        relative_offset=relative_offset(solution, factored),
    )


def statistics_without_squares(solution: Solution, factored: Factored, why: Undefined) -> Statistics:
    """Return what there is to say of a fit under another loss than squared errors.

    Args:
        solution: The fit.
        factored: Its Jacobian.
        why: Why there is no more.
    """
    m, p = solution.observed.count, factored.rank
    return Statistics(
        observations=m,
        parameters=p,
        degrees_of_freedom=max(0, m - p),
        residual_sum_of_squares=why,
        residual_standard_deviation=why,
        r_squared=why,
        adjusted_r_squared=why,
        log_likelihood=why,
        aic=why,
        aicc=why,
        bic=why,
        relative_offset=relative_offset(solution, factored),
    )


def perfect(solution: Solution) -> Undefined | None:
    """Return why residuals say nothing that are rounding noise; None where they are more than that."""
    noise = ROUNDING * solution.epsilon
    squares, whole = solution.residual_sum_of_squares, solution.observed.squares
    if squares > noise**2 * whole:
        return None
    return Undefined("the fit is perfect: its residuals are rounding noise and no measure of errors")


def no_freedom(observations: int, parameters: int) -> Undefined:
    """Return the words for as many parameters as observations."""
    words = f"{observations} observation{'s' * (observations != 1)} for {parameters} parameter"
    return Undefined(f"{words}{'s' * (parameters != 1)} leave no degrees of freedom")


def residual_standard_deviation(solution: Solution, rank: int) -> Answer:
    """Return s = sqrt(S / (m - p)), or why there is none."""
    m = solution.observed.count
    if m <= rank:
        return no_freedom(m, rank)
    return perfect(solution) or math.sqrt(solution.residual_sum_of_squares / (m - rank))


def relative_offset(solution: Solution, factored: Factored) -> Answer:
    """Return the residual along the model by that across it, each per degree of freedom.

        (|U^T r| / sqrt(p)) / (|r - U U^T r| / sqrt(m - p))

    with U an orthonormal basis of J's columns. It is the distance from the minimum in units of the radius of
    a confidence region. Source: Bates and Watts 1981, A relative offset orthogonality convergence criterion
    for nonlinear least squares.
    """
    m, p = solution.observed.count, factored.rank
    if p == 0:
        return 0.0
    if m <= p:
        return no_freedom(m, p)
    why = perfect(solution)
    if why is not None:
        return why
    basis = solution.jacobian @ factored.root
    along = float(np.linalg.norm(basis.T @ solution.triangle[:-1, -1]))
    across = math.sqrt(max(solution.residual_sum_of_squares - along**2, 0.0))
    return math.inf if across == 0 else (along / math.sqrt(p)) / (across / math.sqrt(m - p))


def scale_of_errors(solution: Solution, factored: Factored) -> Answer:
    """Return what the root of (J^T J)^-1 is multiplied with: 1 where sigma is known, else s.

    Away from a minimum there are no errors of a minimum.
    """
    away = not_at_a_minimum(solution, factored)
    if away is not None:
        return away
    return 1.0 if solution.known_sigma else residual_standard_deviation(solution, factored.rank)


def not_at_a_minimum(solution: Solution, factored: Factored) -> Undefined | None:
    """Return the words for a fit that is too far from its minimum; None for others."""
    offset = relative_offset(solution, factored)
    if isinstance(offset, Undefined) or offset <= CONVERGED:
        return None
    words = f"its relative offset is {offset:.2g}, and should be {CONVERGED:g} at most"
    return Undefined(f"the fit is not at a minimum: {words}")


def r_squared(solution: Solution) -> Answer:
    """Return 1 - S / sum w (y - mean)^2 (Kvålseth 1985, his first); it may be negative."""
    spread = solution.observed.spread
    if spread <= (solution.epsilon * solution.observed.count) ** 2 * solution.observed.squares:
        return Undefined("the target is constant: there is no variation to explain")
    return 1.0 - solution.residual_sum_of_squares / spread


def _adjusted(ratio: Answer, m: int, p: int, q: int) -> Answer:
    if isinstance(ratio, Undefined):
        return ratio
    if m <= p:
        return Undefined("there are no degrees of freedom")
    return 1.0 - (1.0 - ratio) * (m - q) / (m - p)


def log_likelihood(solution: Solution, factored: Factored) -> Answer:
    """Return the maximum of the Gaussian log-likelihood, or why the fit is at none.

    With errors of variance sigma^2 / w_i, at the most likely sigma^2 = S / m,

        log L = -m/2 (log(2 pi S / m) + 1) + 1/2 sum log w_i;

    with known ones, w_i = 1 / sigma_i^2,

        log L = -1/2 (S + m log(2 pi)) + 1/2 sum log w_i.

    Source: Seber and Wild 1989, Nonlinear Regression, section 2.2.1; the first is that of R's `logLik.nls`.
    """
    m, squares = solution.observed.count, solution.residual_sum_of_squares
    weights = 0.5 * solution.observed.log_weights
    away = not_at_a_minimum(solution, factored)
    if away is not None:
        return away
    if solution.known_sigma:
        return -0.5 * (squares + m * math.log(2 * math.pi)) + weights
    why = perfect(solution)
    if why is not None:
        return why
    return -0.5 * m * (math.log(2 * math.pi * squares / m) + 1) + weights


def _aicc(likelihood: Answer, m: int, k: int) -> Answer:
    if isinstance(likelihood, Undefined):
        return likelihood
    if m <= k + 1:
        return Undefined(f"it needs more than {k + 1} observations")
    return 2 * k - 2 * likelihood + 2 * k * (k + 1) / (m - k - 1)
