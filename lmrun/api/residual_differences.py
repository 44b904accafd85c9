"""Jacobians by finite differences.

Source: Nocedal and Wright 2006, section 8.1 (the lengths of steps); Squire and Trapp 1998, Using complex
variables to estimate derivatives of real functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.bounds import Bounds

Array = NDArray[np.float64]
Function = Callable[[Any], Any]

EPSILON = float(np.finfo(np.float64).eps)
COMPLEX_STEP = 1e-100
"""There is no difference in it, so no digit is lost however short the step."""


@dataclass(frozen=True)
class Differences:
    """How a Jacobian is approximated.

    Attributes:
        method: See `METHODS`.
        typical: Sizes of the parameters below which steps do not shrink with them [n].
        bounds: Which points may be looked at; None for all.
    """

    method: str
    typical: Array
    bounds: Bounds | None = None

    def jacobian(self, function: Function, params: Array, residual: Array) -> Array:
        """Return dr/dparams [m, n] at params [n], where the residual is known [m]."""
        rule, root = METHODS[self.method]
        sizes = np.maximum(np.abs(params), self.typical) * EPSILON**root
        columns = []
        for place, size in enumerate(sizes):
            # The step that is really made, after rounding.
            step = (params[place] + size) - params[place]
            columns.append(rule(function, params, residual, self._inside(params, place, step), place))
        return np.stack(columns, axis=1)

    def _inside(self, params: Array, place: int, step: float) -> tuple[float, float]:
        """Return two steps [from, to] along a parameter that stay within the bounds.

        To both sides where there is room, else to the roomier one.
        """
        if self.bounds is None:
            return -step, step
        below = params[place] - self.bounds.lower[place]
        above = self.bounds.upper[place] - params[place]
        if min(below, above) >= step:
            return -step, step
        step = min(step, max(below, above) / 2)
        return (step, 2 * step) if above >= below else (-step, -2 * step)


def moved(params: Array, place: int, step: Any) -> Any:
    """Return params with one of them moved [n]."""
    unit = np.zeros(len(params))
    unit[place] = 1.0
    there: Any = params + step * unit
    return there


def two_points(function: Function, params: Array, residual: Array, steps: tuple[float, float], i: int) -> Any:
    """(r(x + h) - r(x)) / h: half of the digits, one evaluation per parameter."""
    step = steps[1] if steps[0] < 0 < steps[1] else steps[0]
    return np.zeros_like(residual) if step == 0 else (function(moved(params, i, step)) - residual) / step


def three_points(
    function: Function, params: Array, residual: Array, steps: tuple[float, float], i: int
) -> Any:
    """The slope of the parabola through three points: two thirds of the digits, two evaluations."""
    first, second = steps
    if first == 0:
        return np.zeros_like(residual)
    rise = function(moved(params, i, first)) - residual, function(moved(params, i, second)) - residual
    return (second / first * rise[0] - first / second * rise[1]) / (second - first)


def complex_step(
    function: Function, params: Array, residual: Array, steps: tuple[float, float], i: int
) -> Any:
    """Im r(x + i h) / h: all digits, for functions that are analytic and written for complex numbers."""
    return np.imag(function(moved(params, i, 1j * COMPLEX_STEP))) / COMPLEX_STEP


Rule = Callable[[Function, Array, Array, tuple[float, float], int], Any]
METHODS: dict[str, tuple[Rule, float]] = {
    "2-point": (two_points, 1 / 2),
    "3-point": (three_points, 1 / 3),
    "cs": (complex_step, 1.0),
}
"""SciPy's names. With each the root of epsilon that its step is of a parameter's size."""
