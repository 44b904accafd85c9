"""Fits of one model to changed data, or with a parameter held: what profiles and the bootstrap repeat.

By SciPy's `least_squares`, a well-kept library: MINPACK's `lmder` (Moré, Garbow and Hillstrom 1980), or its
trust region of Branch, Coleman and Li (1999) between bounds. Starting at the solution of a fit, on a few
hundred rows, it takes a millisecond; lmrun's own loop is made for one fit that is watched and recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy.optimize import least_squares

from lmrun.inference.covariance import rank_of
from lmrun.inference.solution import EPSILON
from lmrun.inference.undefined import Float64

TOLERANCE = 1e-12
"""Relative, of the sum of squares and the step. A sum of squares then has more digits than any interval."""


class Model(Protocol):
    """A model of m observations as a function of n parameters."""

    def values(self, params: Float64) -> Float64:
        """Predict [m]."""
        ...

    def jacobian(self, params: Float64) -> Float64:
        """The derivatives of the predictions [m, n]."""
        ...


@dataclass(frozen=True)
class Refitted:
    """A fit.

    Attributes:
        params: [n].
        squares: sum w (f - y)^2.
        rank: Of the weighted Jacobian there: fewer than it has columns where the data do not determine all of
            the parameters that were fitted.
    """

    params: Float64
    squares: float
    rank: int


@dataclass(frozen=True)
class Refit:
    """Least squares of a model: minimize sum w (f(params) - y)^2.

    Attributes:
        model: f.
        targets: y [m].
        weights: w [m].
        free: The places of the parameters that are fitted.
        lower: Bounds of all parameters [n]; None where no parameter has any.
        upper: The same from above.
        epsilon: Of the model's arithmetic.
    """

    model: Model
    targets: Float64
    weights: Float64
    free: tuple[int, ...]
    lower: Float64 | None = field(default=None)
    upper: Float64 | None = field(default=None)
    epsilon: float = EPSILON

    def __call__(
        self,
        start: Float64,
        *,
        still: int | None = None,
        targets: Float64 | None = None,
        weights: Float64 | None = None,
    ) -> Refitted | None:
        """Fit from a start; None where that does not converge or is not finite.

        Args:
            start: Of all parameters [n]; those that are not free stay there.
            still: The place of one more that stays.
            targets: In the place of y [m].
            weights: In the place of w [m].
        """
        places = [place for place in self.free if place != still]
        root = np.sqrt(self.weights if weights is None else weights)
        y = self.targets if targets is None else targets

        def whole(some: Float64) -> Float64:
            params = np.array(start, np.float64)
            params[places] = some
            return params

        def residual(some: Float64) -> Float64:
            weighted: Float64 = root * (self.model.values(whole(some)) - y)
            return weighted

        def jacobian(some: Float64) -> Float64:
            weighted: Float64 = root[:, None] * self.model.jacobian(whole(some))[:, places]
            return weighted

        begin = np.asarray(start, np.float64)[places]
        with np.errstate(all="ignore"):
            if not places:
                return _finite(whole(begin), residual(begin), 0)
            found = self._solve(residual, jacobian, begin, places)
        if found is None or not np.isfinite(found.jac).all():
            return None
        return _finite(whole(found.x), found.fun, rank_of(found.jac, self.epsilon))

    def _solve(
        self,
        residual: Callable[[Float64], Float64],
        jacobian: Callable[[Float64], Float64],
        begin: Float64,
        places: list[int],
    ) -> Any:
        bounded: dict[str, Any] = {"method": "lm"}
        if self.lower is not None and self.upper is not None:
            lower, upper = self.lower[places], self.upper[places]
            begin = np.clip(begin, lower, upper)
            bounded = {"method": "trf", "bounds": (lower, upper)}
        try:
            found = least_squares(
                residual, begin, jac=jacobian, x_scale="jac", ftol=TOLERANCE, xtol=TOLERANCE, gtol=TOLERANCE,
                **bounded,
            )  # fmt: skip
        except ValueError:
            # It raises for residuals that are not finite at the start, and for fewer of them than parameters.
            return None
        return found if found.success else None


def _finite(params: Float64, residual: Float64, rank: int) -> Refitted | None:
    squares = float(residual @ residual)
    return Refitted(params, squares, rank) if np.isfinite(squares) and np.isfinite(params).all() else None
