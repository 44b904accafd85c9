"""The damping whose step is as long as a radius: the secular equation of a trust region."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

TOLERANCE = 0.1
"""How far the step's length may be from the radius, as a share of it (Moré 1978, section 5, sigma)."""
MOST_ITERATIONS = 10
"""Dampings to try (MINPACK `lmpar`)."""
ROOM = 100.0
"""Upper over lower bound at least, once a matrix could not be factored: ten times its damping is next."""
LEAST_SHARE = 1e-3
"""Of the upper bound, where the iteration left the bounds (Moré 1978, algorithm 5.5)."""


class RegionStep(NamedTuple):
    """A step of about the radius, or a shorter one that needs no damping.

    Attributes:
        damping: What was added, in multiples of D.
        factor: What `factorize` made of it.
        step: The step [n].
        scaled_norm: |D^(1/2) step|_2.
    """

    damping: float
    factor: Any
    step: Array
    scaled_norm: float


def step_within(  # noqa: PLR0917 - a function of two functions and a problem
    factorize: Callable[[float], Any | None],
    solve: Callable[[Any, Array], Array | None],
    gradient: Array,
    scaling: Array,
    radius: float,
    damping: float,
    step_of: Callable[[Any], Array | None] | None = None,
) -> RegionStep | None:
    """Minimize the quadratic model of the cost over |D^(1/2) step|_2 <= radius, to a tenth of the radius.

    With p(damping) = -(J^T J + damping D)^-1 gradient it solves phi(damping) = |D^(1/2) p|_2 - radius = 0 by
    damping <- damping - (phi + radius) / radius * phi / phi', which is Newton's iteration on
    1 / radius - 1 / |D^(1/2) p|_2, nearly linear in the damping; phi' = -(D p)^T (J^T J + damping D)^-1 (D p)
    / |D^(1/2) p|_2. Bounds around the solution keep it safe: below, the zero of phi's tangent, since phi is
    convex; above, |D^(-1/2) gradient|_2 / radius. The undamped step is tried only where the others leave it
    possible, or where the guess is 0: it costs a factorization like every other.

    Source: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory, algorithm 5.5 (Hebden
    1973), and `lmpar` of MINPACK; Moré and Sorensen 1983, Computing a trust region step, section 3. D here is
    the square of D there.

    Args:
        factorize: From a damping to the factor of J^T J + damping D, or None where it is not positive
            definite.
        solve: From a factor and b [n] to the solution [n], or None where it is not finite.
        gradient: J^T r [n].
        scaling: D [n], positive.
        radius: Positive.
        damping: The guess to start from, at least 0.
        step_of: From a factor to the step, where that is more accurate than solving for -gradient.

    Returns:
        The step within a tenth of the radius, an undamped one inside it, or after `MOST_ITERATIONS` the one
        nearest to it; None where no matrix could be factored.
    """
    # Without a gradient every damping gives the step 0, and any bound will do.
    lower, upper = 0.0, float(np.linalg.norm(gradient / np.sqrt(scaling))) / radius or 1.0
    step_of = step_of or (lambda factor: solve(factor, -gradient))
    nearest: RegionStep | None = None
    singular, shorter = False, 0.0
    for _ in range(MOST_ITERATIONS):
        if damping <= lower == 0.0 and not singular:
            damping = 0.0
        elif not lower < damping < upper:
            damping = max(LEAST_SHARE * upper, math.sqrt(lower * upper))
        factor = factorize(damping)
        step = None if factor is None else step_of(factor)
        if step is None:
            singular, lower = True, max(lower, damping)
            # Rounding may ask for more damping than the radius does.
            upper = max(upper, ROOM * lower)
            continue
        weighted = scaling * step
        norm = math.sqrt(float(step @ weighted))
        found, excess = RegionStep(damping, factor, step, norm), norm - radius
        # Where J^T J is singular, less and less damping may not lengthen the step up to the radius.
        settled = singular and excess < 0 and norm <= (1 + TOLERANCE) * shorter
        if abs(excess) <= TOLERANCE * radius or (damping == 0.0 and excess < 0) or settled or norm == 0:
            return found
        if nearest is None or abs(excess) < abs(nearest.scaled_norm - radius):
            nearest = found
        if excess < 0:
            upper, shorter = damping, norm
        else:
            lower = max(lower, damping)
        turned = solve(factor, weighted)
        # phi / phi'; where it is not a number, all comparisons are false and the bounds decide.
        newton = math.nan if turned is None else -excess * norm / (float(weighted @ turned) or math.nan)
        lower = min(max(lower, damping - newton), upper)
        damping -= norm / radius * newton
    return nearest
