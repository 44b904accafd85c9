"""Losses that add up over the elements of outputs - targets; see `losses.elementwise`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lmrun.curvature.host.losses.base import Array, Key, Targets


class MeanSquaredError:
    """l = mean of e^2, r = e, F = 1."""

    def values(self, outputs: Array, targets: Targets) -> Array:
        """Mean of e^2."""
        squares = np.square(outputs - targets.T)
        means: Array = squares[0] if len(squares) == 1 else squares.mean(axis=0)
        return means

    def slope(self, outputs: Array, targets: Targets) -> Array:
        """The errors e."""
        return outputs - targets.T

    def residual(self, outputs: Array, targets: Targets) -> Array:
        """The errors e."""
        return outputs - targets.T

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterator[Array]:
        """Unit vectors."""
        for unit in range(len(outputs)):
            column = np.zeros(outputs.shape, outputs.dtype)
            column[unit] = 1
            yield column

    def bent(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """z_vv."""
        return second

    def turned(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """z_vv."""
        return second
