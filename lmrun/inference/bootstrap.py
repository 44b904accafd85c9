"""The bootstrap: the scatter of fits to data drawn again, from residuals, from rows or with known errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lmrun.inference.answers import Answers
from lmrun.inference.refit import Refitted
from lmrun.inference.undefined import Answer, Float64, Interval, Undefined
from lmrun.seeding import Stream, generator

DECIDED = 1 - 1e-9
"""The leverage from which on the fit passes through an observation."""

MOST_FAILED = 0.05
"""The share of draws without a fit from which on the others would be a chosen few."""


class Again(Protocol):
    """Fits to other targets or weights."""

    def __call__(
        self, start: Float64, *, targets: Float64 | None = None, weights: Float64 | None = None
    ) -> Refitted | None:
        """See `refit.Refit`."""
        ...


@dataclass(frozen=True)
class Rows:
    """The data at the solution.

    Attributes:
        values: f [m].
        targets: y [m].
        weights: w [m].
        jacobian: Of f by the free parameters [m, k].
        responses: How many observations belong together: m is so many times the rows, the first response of
            every row, then the second, and so on. What belongs together is drawn together.
    """

    values: Float64
    targets: Float64
    weights: Float64
    jacobian: Float64
    responses: int = 1

    def by_row(self, values: Float64) -> Float64:
        """Put what belongs together side by side: [m] to [responses, rows]."""
        return values.reshape(self.responses, -1)

    @property
    def counted(self) -> NDArray[np.intp]:
        """The rows that have some weight."""
        return np.flatnonzero(self.by_row(self.weights).any(axis=0))


@dataclass(frozen=True)
class Scatter:
    """What the draws say of one parameter.

    Attributes:
        standard_error: The standard deviation of the draws.
        percentile: Between their quantiles.
        bca: Corrected for bias and skewness.
    """

    standard_error: Answer
    percentile: Interval | Undefined
    bca: Interval | Undefined


@dataclass(frozen=True)
class Bootstrap:
    """A bootstrap.

    Attributes:
        kind: What was drawn, of `KINDS`.
        draws: The parameters of each fit [successful draws, n].
        failed: Number of draws without a fit.
        scatters: By the parameter's name.
    """

    kind: str
    draws: Float64
    failed: int
    scatters: dict[str, Scatter]


class Influence:
    """How the rows act on the estimates, to first order.

    Args:
        answers: Of the fit.
        rows: The data.

    Attributes:
        leverage: h = diag J C J^T [m] of the weighted observations.
        changes: What the estimates change by when a row is left out with all its responses, for the rows that
            have some weight [counted rows, k]: C J_i^T (1 - H_i)^-1 r_i, one Gauss-Newton step from the
            solution, H_i = J_i C J_i^T being the row's own block (Cook and Weisberg 1982, Residuals and
            Influence in Regression, chapter 5); exact for linear models.
    """

    def __init__(self, answers: Answers, rows: Rows) -> None:
        scale, root = np.sqrt(rows.weights), answers.factored.root
        self.residual: Float64 = scale * (rows.values - rows.targets)
        rotated = (scale[:, None] * rows.jacobian) @ root
        self.leverage: Float64 = np.sum(rotated**2, axis=1)
        # What the fit passes through whatever its target leaves no residual to correct.
        self.rest: Float64 = np.where(self.leverage < DECIDED, 1 - self.leverage, 1.0)
        blocks = rotated.reshape(rows.responses, -1, root.shape[1])[:, rows.counted].swapaxes(0, 1)
        own, vectors = np.linalg.eigh(blocks @ blocks.swapaxes(1, 2))
        turned = np.einsum("iqa,qi->ia", vectors, rows.by_row(self.residual)[:, rows.counted])
        turned /= np.where(own < DECIDED, 1 - own, 1.0)
        self.changes: Float64 = np.einsum("iqk,iqa,ia->ik", blocks, vectors, turned) @ root.T


def residual_draws(rows: Rows, influence: Influence) -> Callable[[np.random.Generator], dict[str, Float64]]:
    """Return what draws targets f + e*: the residuals, put in any order and with repeats.

    They are r / sqrt(1 - h), which have the errors' variance, less their mean.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 9.4; Davison and Hinkley
    1997, Bootstrap Methods and Their Application, section 6.2.3.
    """
    counted = rows.counted
    modified = rows.by_row(-influence.residual / np.sqrt(influence.rest))[:, counted]
    modified = modified - modified.mean(axis=1, keepdims=True)
    root = np.sqrt(rows.by_row(rows.weights)[:, counted])
    # What has no weight has no residual; its target does not matter.
    spread = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)

    def draw(rng: np.random.Generator) -> dict[str, Float64]:
        targets = rows.by_row(rows.values.copy())
        targets[:, counted] += spread * modified[:, rng.integers(len(counted), size=len(counted))]
        return {"targets": targets.ravel()}

    return draw


def case_draws(rows: Rows, influence: Influence) -> Callable[[np.random.Generator], dict[str, Float64]]:
    """Return what draws rows with repeats: each weighs as often as it was drawn.

    It asks for no equal variance and no true model, and lets the design vary.
    Source: Efron and Tibshirani 1993, section 9.5.
    """
    counted, weights = rows.counted, rows.by_row(rows.weights)

    def draw(rng: np.random.Generator) -> dict[str, Float64]:
        times = np.zeros(weights.shape[1])
        times[counted] = np.bincount(rng.integers(len(counted), size=len(counted)), minlength=len(counted))
        return {"weights": (times * weights).ravel()}

    return draw


def normal_draws(rows: Rows, influence: Influence) -> Callable[[np.random.Generator], dict[str, Float64]]:
    """Return what draws targets f + e*, e* being normal with the known variances 1 / w.

    The residuals decide nothing, as they do not in the standard errors of known sigma.
    Source: Efron and Tibshirani 1993, section 6.5, the parametric bootstrap.
    """
    # What has no weight has no residual; its target does not matter.
    spread = np.divide(1.0, np.sqrt(rows.weights), out=np.zeros_like(rows.weights), where=rows.weights > 0)

    def draw(rng: np.random.Generator) -> dict[str, Float64]:
        return {"targets": rows.values + spread * rng.normal(size=len(spread))}

    return draw


KINDS: dict[str, Callable[[Rows, Influence], Callable[[np.random.Generator], dict[str, Any]]]] = {
    "residual": residual_draws,
    "case": case_draws,
    "normal": normal_draws,
}
"""What is drawn."""


def bootstrap(
    answers: Answers, rows: Rows, refit: Again, *, kind: str = "residual", draws: int = 1000, seed: int = 0
) -> Bootstrap:
    """Fit again and again to data drawn anew; each draw depends on the seed and its number alone.

    Args:
        answers: Of the fit.
        rows: The data.
        refit: Fits, from the solution.
        kind: Of `KINDS`.
        draws: How many.
        seed: Decides the draws.
    """
    influence = Influence(answers, rows)
    draw = KINDS[kind](rows, influence)
    best = answers.solution.params
    fits = [refit(best, **draw(generator(seed, Stream.BOOTSTRAP, number))) for number in range(draws)]
    whole = [fit for fit in fits if fit is not None and fit.rank >= answers.factored.rank]
    found = np.array([fit.params for fit in whole]).reshape(-1, len(best))
    failed = draws - len(found)
    few = Undefined(
        f"{failed:,} of {draws:,} fits to drawn data did not converge, or were not determined by them"
    )
    # The score of normal errors of known size is linear in them: it has no skewness.
    changes = np.zeros_like(influence.changes) if kind == "normal" else influence.changes
    scatters: dict[str, Scatter] = {}
    for place, estimate in enumerate(answers.estimates):
        why = estimate.standard_error if isinstance(estimate.standard_error, Undefined) else None
        why = why or (few if failed > MOST_FAILED * draws else None)
        if why is not None:
            scatters[estimate.name] = Scatter(why, why, why)
            continue
        change = changes[:, answers.factored.places.index(place)]
        scatters[estimate.name] = scatter(found[:, place], estimate.value, change, answers.level)
    return Bootstrap(kind, found, failed, scatters)


def scatter(draws: Float64, value: float, changes: Float64, level: float) -> Scatter:
    """Return the standard error and both intervals of one parameter.

    The BCa interval lies between the quantiles

        alpha' = Phi(z0 + (z0 + z) / (1 - a (z0 + z))),  z = Phi^-1((1 -+ level) / 2),

    with the bias z0 = Phi^-1(share of the draws below the value) and the acceleration
    a = sum d^3 / (6 (sum d^2)^(3/2)), d being the jackknife's deviations from their mean.
    Source: Efron and Tibshirani 1993, equations 14.9 to 14.15; quantiles are their order statistics
    (B + 1) alpha.

    Args:
        draws: The parameter's values [B].
        value: That of the fit.
        changes: What it changes by when a row is left out [m], see `Influence`.
        level: Of the intervals.
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    error = float(draws.std(ddof=1))
    return Scatter(error, _between(draws, tails), _corrected(draws, value, changes, tails))


def _corrected(draws: Float64, value: float, changes: Float64, tails: Float64) -> Interval | Undefined:
    below = (np.sum(draws < value) + 0.5 * np.sum(draws == value)) / len(draws)
    if not 0 < below < 1:
        return Undefined("all draws lie on one side of the fit")
    deviations = changes.mean() - changes
    size = float(np.sum(deviations**2))
    # Where no row changes anything, there is nothing skew.
    acceleration = float(np.sum(deviations**3)) / (6 * size**1.5) if size**1.5 > 0 else 0.0
    bias = ndtri(below)
    moved = bias + ndtri(tails)
    left = 1 - acceleration * moved
    if not (left > 0).all():
        return Undefined("so skew a scatter cannot be corrected at such a level")
    return _between(draws, ndtr(bias + moved / left))


def _between(draws: Float64, shares: Float64) -> Interval:
    lower, upper = np.quantile(draws, shares, method="weibull")
    return float(lower), float(upper)
