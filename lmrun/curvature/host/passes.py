"""What a forward pass over a chunk knows, and what is pulled back through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lmrun.curvature.host.base import silent
from lmrun.curvature.host.losses.base import HostLoss, Key, Targets
from lmrun.curvature.host.propagation import Array, Forward, Propagation, Pulled


class Head(NamedTuple):
    """What a linearization has besides J.

    Attributes:
        value: Sum of w_i l_i.
        gradient: [n], of a loss without residuals.
        last: sqrt(w) r [q, rows], of one with them.
    """

    value: float
    gradient: Array | None
    last: Array | None


class Pass(NamedTuple):
    """A forward pass; it lives in the chain's scratch memory until the next one.

    Attributes:
        layers: Of the network.
        loss: The loss.
        params: Where [n].
        point: What it made.
        targets: [rows, ...].
        weights: w [rows].
        key: See `HostLoss`.
    """

    layers: Propagation
    loss: HostLoss
    params: Array
    point: Forward
    targets: Targets
    weights: Array
    key: Key

    def value(self) -> float:
        """Sum of w_i l_i."""
        return weighted(self.loss.values(self.point.outputs, self.targets), self.weights)

    def gradient(self, factor: float = 1.0) -> Array:
        """A factor times the gradient of the cost [n]."""
        seed = self.loss.slope(self.point.outputs, self.targets)
        seed *= factor * self.weights
        return self.spread(seed)

    def spread(self, seed: Array) -> Array:
        """The derivative of seed . outputs by the parameters, summed over the samples [n]; it is used up."""
        return self.layers.gradient(self.point, self.layers.cotangents(self.params, self.point, seed))

    def head(self) -> Head:
        """Return value, gradient and last rows."""
        outputs, scratch = self.point.outputs, self.layers.scratch
        value = self.value()
        residual = self.loss.residual(outputs, self.targets)
        if residual is not None:
            return Head(value, None, residual * np.sqrt(self.weights))
        used = scratch.used
        gradient = self.gradient()
        scratch.release(used)
        return Head(value, gradient, None)

    def columns(self) -> Iterator[Array]:
        """The columns of F, each made when it is asked for."""
        return iter(self.loss.columns(self.point.outputs, self.targets, self.key))

    @silent
    def pull(self, columns: Iterator[Array]) -> Pulled:
        """The cotangents of the next column, times sqrt(w)."""
        column = next(columns)
        column *= np.sqrt(self.weights)
        return self.layers.cotangents(self.params, self.point, column)

    @silent
    def write(self, pulled: Pulled, below: Array | None, piece: slice, table: Array) -> None:
        """Write [J, r]^T [n + 1, piece] of a component for some rows; without r [rows] zeros stand there."""
        self.layers.table(self.point, pulled, piece, table[:-1])
        table[-1] = 0 if below is None else below[piece]

    def turned(self, direction: Array) -> Array:
        """W F r_vv [width, rows]."""
        first, second = self._along(direction)
        turned = self.loss.turned(self.point.outputs, self.targets, self.key, first, second)
        return turned * self.weights

    def bent(self, direction: Array) -> Array:
        """sqrt(w) r_vv [q, rows]."""
        first, second = self._along(direction)
        bent = self.loss.bent(self.point.outputs, self.targets, self.key, first, second)
        return bent * np.sqrt(self.weights)

    def _along(self, direction: Array) -> tuple[Array, Array]:
        """First and second derivative of the outputs along a direction of the parameters."""
        line = self.layers.along(self.params, direction, self.point)
        first, second = (np.zeros_like(self.point.outputs) if part is None else part for part in line)
        return first, second


def weighted(values: Array, weights: Array) -> float:
    """Sum of w_i l_i [rows], in float64."""
    if values.dtype == np.float64:
        return float(values @ weights)
    return float(np.sum(values * weights, dtype=np.float64))
