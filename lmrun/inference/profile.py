"""Profile-likelihood intervals: how far a parameter can go before the best fit of the others is too bad."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

from lmrun.inference.answers import Answers
from lmrun.inference.intervals import quantile
from lmrun.inference.refit import Refitted
from lmrun.inference.undefined import Answer, Float64, Undefined

FIRST = 0.25
"""Of Wald's half-width: a longer first step may land beyond a pole of the formula, where it fits again."""
TRIES = 12
"""Values on the way out, each twice as far: 2^9 half-widths at last, where a limit is no limit any more."""
LOWER_BY = 1e-7
"""The share by which a sum of squares has to be lower for the fit to have been no minimum."""


class Constrained(Protocol):
    """Fits with one parameter that stays where it starts."""

    def __call__(self, start: Float64, *, still: int | None = None) -> Refitted | None:
        """See `refit.Refit`."""
        ...


@dataclass(frozen=True)
class Limits:
    """The two ends of an interval, each of which may have none."""

    lower: Answer
    upper: Answer


class _LostError(Exception):
    """A fit on the way did not work out; the text says which."""


def profiles(
    answers: Answers, refit: Constrained, bounds: tuple[Float64, Float64] | None = None
) -> dict[str, Limits]:
    """Return the interval of every parameter.

    With S(theta) the least sum of squares for a value theta of the parameter,

        tau(theta) = sign(theta - theta*) sqrt((S(theta) - S(theta*)) / s^2),

    the interval is |tau| <= t, Student's quantile of m - p degrees of freedom (the normal one, and s = 1,
    where sigma is known). For a linear model tau = (theta - theta*) / standard error.
    Source: Bates and Watts 1988, Nonlinear Regression Analysis and Its Applications, section 6.1; Venzon and
    Moolgavkar 1988, A method for computing profile-likelihood-based confidence intervals.

    Args:
        answers: Of the fit.
        refit: Fits the other parameters.
        bounds: Lower and upper bounds of all parameters, each [n], beyond which no interval goes.
    """
    found: dict[str, Limits] = {}
    for place, estimate in enumerate(answers.estimates):
        if isinstance(estimate.standard_error, Undefined):
            found[estimate.name] = Limits(estimate.standard_error, estimate.standard_error)
            continue
        ends = (-math.inf, math.inf) if bounds is None else (bounds[0][place], bounds[1][place])
        ways = [_Way(answers, refit, place, *way) for way in zip((-1.0, 1.0), ends, strict=True)]
        found[estimate.name] = Limits(*(way.end() for way in ways))
    return found


class _Way:
    """The profile from the solution to one side.

    Args:
        answers: Of the fit.
        refit: Fits the other parameters.
        place: Of the parameter, which has a standard error.
        side: -1 or 1.
        bound: Of the parameter on that side.
    """

    def __init__(self, answers: Answers, refit: Constrained, place: int, side: float, bound: float) -> None:
        solution, factored = answers.solution, answers.factored
        scale = answers.scale
        assert not isinstance(scale, Undefined), "a parameter with a standard error"
        self.refit, self.place = refit, place
        self.name = solution.names[place]
        self.best, self.squares, self.scale = solution.params, solution.residual_sum_of_squares, scale
        self.level = quantile(answers.level, answers.statistics.degrees_of_freedom, solution.known_sigma)
        inside = factored.places.index(place)
        column = factored.covariance()[:, inside]
        self.bound = float(bound - solution.params[place])
        self.step = side * self.level * scale * math.sqrt(column[inside])
        # The others follow the parameter as they are correlated with it.
        self.slope = np.zeros(len(self.best))
        self.slope[list(factored.places)] = column / column[inside]
        self.last = self.best
        # A second fit at the same value may start elsewhere and end elsewhere; the first one counts.
        self.known = {0.0: -self.level}

    def end(self) -> Answer:
        """Return where |tau| reaches the quantile."""
        try:
            near, far = self._bracket()
            return float(self.best[self.place] + brentq(self._excess, near, far, xtol=1e-9 * abs(far)))
        except _LostError as lost:
            return Undefined(str(lost))

    def _bracket(self) -> tuple[float, float]:
        """Two distances with the end between them, the nearer first."""
        near, distance, lost = 0.0, self._before(FIRST * self.step), None
        for _ in range(TRIES):
            try:
                excess = self._excess(distance)
            except _LostError as error:
                # Outside the formula's domain, perhaps: the end may come before.
                lost, far = error, distance
                distance = (near + far) / 2
                continue
            if excess >= 0:
                return near, distance
            if distance == self.bound:
                reached = f"{self.name} = {self._value(distance):.6g}"
                raise _LostError(f"there is none up to the bound {reached}")
            near, distance = distance, self._before(2 * distance if lost is None else (distance + far) / 2)
        if lost is not None:
            raise lost
        raise _LostError(
            f"there is none: the fit is hardly worse out to {self.name} = {self._value(near):.4g}"
        )

    def _before(self, distance: float) -> float:
        """A distance, or that of the bound where it comes first."""
        return min(distance, self.bound, key=abs)

    def _value(self, distance: float) -> float:
        return float(self.best[self.place] + distance)

    def _excess(self, distance: float) -> float:
        """|tau| - t at a distance from the solution."""
        if distance not in self.known:
            self.known[distance] = self._tau(distance) - self.level
        return self.known[distance]

    def _tau(self, distance: float) -> float:
        value = self._value(distance)
        for base in (self.last, self.best):
            start = base + (value - base[self.place]) * self.slope
            start[self.place] = value
            found = self.refit(start, still=self.place)
            if found is not None:
                break
        else:
            raise _LostError(f"the fit with {self.name} = {value:.6g} does not converge")
        if found.squares < self.squares * (1 - LOWER_BY):
            raise _LostError(
                f"{self.name} = {value:.6g} fits better than the fit itself, which is no minimum"
            )
        self.last = found.params
        return math.sqrt(max(0.0, found.squares - self.squares)) / self.scale
