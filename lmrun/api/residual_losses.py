"""Losses of residuals, as SciPy's `least_squares` defines them: cost = 1/2 sum scale^2 rho((r / scale)^2).

`lmrun.losses` has the same for networks, as functions of outputs and targets; its huber is half of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import DataError

Array = NDArray[np.float64]


class Rho(NamedTuple):
    """Rho and its derivatives by z, each [m]."""

    value: Array
    first: Array
    second: Array


Function = Callable[[Array], Rho]


def huber(z: Array) -> Rho:
    """Z up to 1, 2 sqrt(z) - 1 beyond (Huber 1964)."""
    inside = z <= 1
    root = np.sqrt(np.where(inside, 1.0, z))
    return Rho(np.where(inside, z, 2 * root - 1), 1 / root, np.where(inside, 0.0, -0.5 / root**3))


def soft_l1(z: Array) -> Rho:
    """2 (sqrt(1 + z) - 1)."""
    root = np.sqrt(1 + z)
    return Rho(2 * z / (root + 1), 1 / root, -0.5 / root**3)


def cauchy(z: Array) -> Rho:
    """The logarithm of 1 + z."""
    weight = 1 / (1 + z)
    return Rho(np.log1p(z), weight, -(weight**2))


def arctan(z: Array) -> Rho:
    """The angle: no residual counts more than pi / 2."""
    weight = 1 / (1 + z**2)
    return Rho(np.arctan(z), weight, -2 * z * weight**2)


ROBUST: dict[str, Function] = {"huber": huber, "soft_l1": soft_l1, "cauchy": cauchy, "arctan": arctan}
SQUARES = ("mse", "linear")
"""The plain sum of squares, by lmrun's name and by SciPy's."""


def own(function: Callable[[Array], object]) -> Function:
    """Return a user's rho, which returns its value and two derivatives [3, m] for z [m], as in SciPy."""

    def rho(z: Array) -> Rho:
        made = np.asarray(function(z), np.float64)
        if made.shape != (3, len(z)):
            raise DataError(
                f"loss: a function of your own returns rho, its first and its second derivative for each of "
                f"the {len(z)} residuals, an array [3, {len(z)}], not {list(made.shape)}."
            )
        return Rho(*made)

    return rho


@dataclass(frozen=True)
class Robust:
    """A loss that counts large residuals less.

    Attributes:
        name: As in the config, or `custom`.
        function: Rho.
        scale: The residual from which on residuals count less.
    """

    name: str
    function: Function
    scale: float = 1.0

    def cost(self, residual: Array) -> float:
        """1/2 sum scale^2 rho; residual [m]."""
        return 0.5 * self.scale**2 * float(np.sum(self._rho(residual).value))

    def weight(self, residual: Array) -> Array:
        """Rho' [m]: the gradient of the cost is J^T (rho' r)."""
        return self._rho(residual).first

    def curvature(self, residual: Array) -> Array:
        """The second derivative of the cost by each residual, rho' + 2 z rho'' [m]; may be negative."""
        rho = self._rho(residual)
        return rho.first + 2 * (residual / self.scale) ** 2 * rho.second

    def _rho(self, residual: Array) -> Rho:
        return self.function((residual / self.scale) ** 2)
